//! The house's own face: on pages, in mails, in the files that pages load; and what is refused before anybody sees it.

use vestibule::factor::Method;

use crate::harness::binary::Machine;
use crate::harness::*;

const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"><path d=\"M0 0h9v9z\"/></svg>";

fn house(own: &std::path::Path) -> String {
    std::fs::write(own.join("logo.svg"), LOGO).unwrap();
    std::fs::write(own.join("notice.txt"), "For staff <b>only</b>.").unwrap();
    let file = |name: &str| own.join(name).display().to_string();
    format!(
        "[portal]\ncompany = \"Example Works\"\nlogo = {:?}\naccent = \"#0a6b5c\"\nsupport = \"mailto:help@works.example\"\nnotice = {:?}\n",
        file("logo.svg"),
        file("notice.txt")
    )
}

/// The address of the asset whose name begins so.
fn asset(html: &str, stem: &str) -> String {
    let from = html.find(&format!("{PREFIX}/assets/{stem}.")).unwrap_or_else(|| panic!("no {stem} in {html}"));
    html[from..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_house_shows_its_face_on_pages_and_in_mails_and_a_reload_takes_it_off() {
    let own = tempfile::tempdir().unwrap();
    let face = house(own.path());
    let world = World::builder().with(&face).build().await;
    world.reload(|text| text.replacen("name = \"payroll\"", "name = \"payroll\"\ntitle = \"Pay <slips>\"", 1)).await;
    let mut alice = world.person_with("alice", &[Method::Email]).await;
    alice.visits("/payroll").await;
    let html = alice.page.text();
    assert!(html.contains("Pay &lt;slips&gt;") && html.contains("alt=\"Example Works\""), "{html}");
    assert!(html.contains("For staff &lt;b&gt;only&lt;/b&gt;.") && html.contains("mailto:help@works.example"), "{html}");
    let picture = alice.opens(&asset(&html, "logo")).await;
    picture.is(200);
    assert_eq!(picture.text(), LOGO);
    assert_eq!(picture.header("content-type"), Some("image/svg+xml"));
    assert!(
        picture.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'") && policy.contains("sandbox"))
    );
    let style = alice.opens(&asset(&html, "house")).await;
    assert!(style.is(200).text().contains("--accent:#0a6b5c") && style.text().contains("prefers-color-scheme:dark"));
    alice.visits("/payroll").await;
    alice.types_password().await.leads_to("/.vestibule/mfa/email");
    assert_eq!(world.mail_to("alice"), ["Your sign-in code for Example Works"]);
    let letters = world.outbox.newest_first();
    assert!(letters.iter().all(|sent| sent.text.contains("Need help? help@works.example")));
    // On a host that no route names, nobody learns whose this is.
    alice.host = "nowhere.example".to_owned();
    assert!(!alice.opens("/").await.is(404).text().contains("Example Works"));
    world.reload(|text| text.replace(&face, "")).await;
    let mut bob = world.person_with("bob", &[]).await;
    bob.visits("/").await;
    assert!(!bob.page.text().contains("Example Works"));
    bob.opens(&asset(&html, "logo")).await.is(404);
}

#[test]
fn a_hostile_logo_and_a_faint_colour_are_refused_by_check_and_reload() {
    let machine = Machine::new(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n[portal]\nlogo = \"logo.svg\"\naccent = \"#0a6b5c\"\n[password]\nmemory_kib = 64\niterations = 1\n\
         [[routes]]\nname = \"wiki\"\nupstreams = [\"http://127.0.0.1:1\"]\npolicy = \"one_factor\"\n",
    );
    std::fs::write(machine.path("logo.svg"), LOGO).unwrap();
    machine.does(&["check"]);
    let gateway = machine.serves();
    std::fs::write(machine.path("logo.svg"), LOGO.replace("<path", "<path onclick=\"alert(1)\"")).unwrap();
    for command in ["check", "reload"] {
        let said = machine.refuses(&[command]);
        assert!(
            said.contains("vestibule.toml:5: portal.logo:") && said.contains("onclick at <path>, which runs a script"),
            "{command}: {said}"
        );
    }
    gateway.stops();
}
