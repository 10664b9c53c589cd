"""DokuWiki: signed in by the gateway, its administration behind a second factor by the query."""

import pathlib
import shutil

from app_php_fpm import nginx, php_fpm
from gateway import Browser, Gateway, Place, block, needs, opens_to_all, seen, wait_for

FILES = pathlib.Path("/usr/share/dokuwiki")


def tries():
    needs((str(FILES / "doku.php"), "dokuwiki"))
    app = Place()
    fpm = php_fpm(app)
    shutil.copytree(FILES, app.path("www"), symlinks=True)
    shutil.copytree("/etc/dokuwiki", app.path("conf"), symlinks=True)
    for folder in ["pages", "attic", "media", "media_attic", "media_meta", "meta", "cache", "index", "locks", "tmp", "log"]:
        app.path(f"data/{folder}").mkdir(parents=True)
    app.writes("data/pages/start.txt", "====== The harbour ======\n")
    for name in ["acl.auth.php", "users.auth.php"]:
        app.path(f"conf/{name}").unlink()
    app.writes("conf/acl.auth.php", "*\t@ALL\t0\n*\t@user\t4\n")
    app.writes("conf/users.auth.php", "")
    app.writes("conf/local.php", "<?php\n" + block("dokuwiki", "php") + f"$conf['savedir'] = '{app.folder}/data';\n$conf['title'] = 'try';\n")
    app.writes("www/inc/preload.php", f"<?php define('DOKU_CONF', '{app.folder}/conf/');\n")
    app.writes("www/lib/plugins/authgateway/auth.php", block("dokuwiki", "php", 1))
    app.writes("www/lib/plugins/authgateway/plugin.info.txt", "base authgateway\nauthor try\nemail try@example.org\ndate 2026-01-01\nname authgateway\ndesc try\nurl https://example.org\n")
    opens_to_all(app.path("data"))
    opens_to_all(app.path("conf"))
    nginx(app, f"""server {{ listen unix:{app.folder}/php.sock; set_real_ip_from unix:; real_ip_header X-Forwarded-For; root {app.folder}/www; index doku.php;
        location ~ \\.php$ {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_param REMOTE_USER $http_remote_user; fastcgi_pass unix:{fpm}; }} }}""")
    wait_for("nginx does not start", lambda: app.path("php.sock").exists())
    gateway = Gateway("dokuwiki", f"unix:{app.folder}/php.sock")
    local = app.path("conf/local.php")
    local.write_text(local.read_text().replace("https://wiki.internal.example", gateway.url))
    gateway.user("alice", "wiki-admins", "user")
    gateway.enrols("alice")
    gateway.user("bob", "user")
    bob = Browser(gateway)
    page = bob.signs_in("bob", "/doku.php?id=start").text
    seen("a page, read by bob", "The harbour" in page and ">bob<" in page, page[-3000:])
    page = bob.asks("/doku.php?id=start&do=edit")
    seen("which he may edit", 'name="wikitext"' in page.text, page.text[:2000])
    saved = bob.sends(page, "doku.php", "wikitext", wikitext="====== The other harbour ======", summary="", **{"do[save]": "Save"})
    seen("and does", "The other harbour" in bob.asks("/doku.php?id=start").text, saved.text[-2000:])
    body = {"do": "admin", "page": "config"}
    answer = bob.sends(bob.asks("/doku.php?id=start&do=edit"), "doku.php", "wikitext", **body)
    seen("do=admin in a form he posts is DokuWiki's own matter: it refuses", "Permission Denied" in answer.text or "config__manager" not in answer.text)
    for query in ["do=admin", "do=admin&do=show", "do=show&do=admin", "do[admin]=1&do=admin", "DO=admin", "d%6f=%61dmin", "do=Admin", "do=admin%00", "do=+admin"]:
        answer = bob.asks(f"/doku.php?id=start&{query}")
        seen(f"{query} is not for bob ({answer.status})", answer.status in (400, 403), answer.text[:500])
    answer = bob.asks("/doku.php?id=start&do=admin", "POST", {"Origin": gateway.url, "Content-Type": "application/x-www-form-urlencoded"}, b"a=b")
    seen("nor is it in a POST's address", answer.status == 403, answer.text[:500])
    alice = Browser(gateway)
    page = alice.signs_in("alice", "/doku.php?id=start&do=admin").text
    seen("alice, with her second factor, sees the administration", "admin_tasks" in page or "do=admin&amp;page=config" in page, page[-3000:])
    seen("install.php is closed (403)", alice.asks("/install.php").status == 403)
