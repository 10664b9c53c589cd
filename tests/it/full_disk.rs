//! A disk that fills up under the built program, and has room again: nothing that was acknowledged is lost, nothing opens meanwhile, and
//! no restart is needed.

use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::site::*;

/// What keeps the store from writing.
enum Disk {
    /// A limit on the size of files: every write beyond it fails, with an error of the kernel's, in the log too. Needs no rights.
    Limit(Pid),
    /// A file that takes all there is of a small file system.
    Filler(std::path::PathBuf),
}

impl Disk {
    fn fills(&self) {
        match self {
            Self::Limit(pid) => limits(*pid, Some(16 * 1024)),
            Self::Filler(path) => {
                use std::io::Write;
                let mut file = std::fs::File::create(path).unwrap();
                for size in [64 * 1024, 512, 1] {
                    while file.write_all(&vec![1; size]).is_ok() {}
                }
            }
        }
    }

    fn frees(&self) {
        match self {
            Self::Limit(pid) => limits(*pid, None),
            Self::Filler(path) => std::fs::remove_file(path).unwrap(),
        }
    }
}

/// Only the soft limit: the hard one stays open, so that it can be lifted again.
fn limits(pid: Pid, bytes: Option<u64>) {
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

fn pid(served: &Served) -> Pid {
    Pid::from_raw(served.pid().try_into().unwrap()).unwrap()
}

/// Adds people until one is refused; the names of those who were acknowledged.
async fn adds_until_refused(site: &Site, prefix: &str) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for n in 0..2000 {
        let name = format!("{prefix}{n}");
        if site.adds(&name).await.code != 0 {
            return acknowledged;
        }
        acknowledged.push(name);
    }
    panic!("a full disk takes it all");
}

async fn names(site: &Site) -> Vec<String> {
    let listed = site.run(&["user", "list", "--json"]).await.json();
    let listed = listed.as_array().unwrap();
    assert!(listed.iter().all(|user| user["has_password"] == true), "half there: {listed:?}");
    listed.iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
}

async fn fills_up_twice(site: &Site, served: Served, disk: &Disk) {
    let mut alice = at(&served, "alice");
    alice.signs_in().await;
    let mut acknowledged = vec!["alice".to_owned()];
    for round in 0..2 {
        disk.fills();
        acknowledged.extend(adds_until_refused(site, &format!("user{round}x")).await);
        for _ in 0..5 {
            let mut bob = at(&served, "alice").elsewhere(7);
            bob.opens("/.vestibule/login").await;
            bob.types_password().await.is(503);
            assert!(!bob.is_signed_in().await, "a full disk opened the gate");
            alice.calls("GET", "/x").await.is(200);
            at(&served, "x").calls("GET", "/x").await.is(401);
            at(&served, "x").calls("GET", "/public/x").await.is(200);
        }
        // Meanwhile it is read where sled can still read, and says where it cannot.
        let listed = site.run(&["user", "list", "--json"]).await;
        match listed.code {
            0 => assert!(acknowledged.iter().all(|name| listed.out.contains(&format!("\"{name}\""))), "{}", listed.out),
            _ => assert!(listed.err.contains("the store did not answer"), "{}", listed.err),
        }
        disk.frees();
        let back = format!("back{round}");
        until("it writes again", || async { site.adds(&back).await.code == 0 }).await;
        acknowledged.push(back);
        let found = names(site).await;
        assert!(acknowledged.iter().all(|name| found.contains(name)), "lost: {acknowledged:?} {found:?}");
        at(&served, "alice").elsewhere(8).signs_in().await;
        assert!(alice.is_signed_in().await);
    }
    assert_eq!(site.log().matches("was opened anew after a failed write").count(), 2, "{}", site.log());
    // What was acknowledged before and after is on the disk, not in the memory of this process.
    served.kill().await;
    let served = site.serve().await;
    let found = names(site).await;
    assert!(acknowledged.iter().all(|name| found.contains(name)), "lost: {acknowledged:?} {found:?}");
    assert!(again(&alice, &served).is_signed_in().await);
    assert_eq!(site.run(&["audit", "verify", "--json"]).await.json()["whole"], true);
    assert!(!site.log().contains("panicked"), "{}", site.log());
    served.kill().await;
}

#[tokio::test]
async fn a_store_that_cannot_write_comes_back_by_itself_when_it_can() {
    let site = Site::new().await;
    site.adds("alice").await.ok();
    // The signal that comes with the error would end the process.
    let served = site.serve_after("trap '' XFSZ").await;
    let disk = Disk::Limit(pid(&served));
    fills_up_twice(&site, served, &disk).await;
}

/// A small file system in memory, where the system lets us.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(bytes: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = mount("mount", &["-t", "tmpfs", "-o", &format!("size={bytes},mode=0700"), "tmpfs"], folder.path());
        done.then_some(Self(folder))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        mount("umount", &["-l"], self.0.path());
    }
}

fn mount(program: &str, words: &[&str], folder: &Path) -> bool {
    let done = std::process::Command::new(program).args(words).arg(folder).stderr(std::process::Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_full_disk_with_room_again_needs_no_restart() {
    let Some(mounted) = Mounted::new("12m") else {
        println!("no file system can be mounted here: left to `a_store_that_cannot_write_comes_back_by_itself_when_it_can`");
        return;
    };
    let data = mounted.0.path().join("data");
    let site = Site::with(&PLAIN.replace("data_dir = \"data\"", &format!("data_dir = \"{}\"", data.display()))).await;
    site.adds("alice").await.ok();
    let served = site.serve().await;
    let disk = Disk::Filler(mounted.0.path().join("filler"));
    fills_up_twice(&site, served, &disk).await;
}
