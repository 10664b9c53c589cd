"""MediaWiki: signed in by the gateway, its special pages behind a second factor by the query."""

import os
import pathlib
import shutil

from app_php_fpm import nginx, php_fpm
from gateway import Browser, Gateway, Place, needs, opens_to_all, runs, seen, wait_for

FILES = pathlib.Path("/usr/share/mediawiki")


def tries():
    needs((str(FILES / "index.php"), "mediawiki"), ("php", "php8.2-cli"), ("/usr/share/doc/php8.2-sqlite3", "php8.2-sqlite3"))
    app = Place()
    fpm = php_fpm(app)
    app.path("www").mkdir()
    app.path("data").mkdir()
    for one in FILES.iterdir():
        if one.name not in ("LocalSettings.php", "images", "config"):
            app.path(f"www/{one.name}").symlink_to(one)
    app.path("www/images").mkdir()
    alone = {**os.environ, "MW_INSTALL_PATH": str(app.path("www")), "MW_CONFIG_FILE": ""}
    runs("php", FILES / "maintenance/install.php", "--dbtype=sqlite", f"--dbpath={app.folder}/data", "--dbname=try", "--scriptpath=", "--server=http://localhost",
         "--pass=a-long-installers-password", f"--confpath={app.path('www')}", "try", "Keeper", env=alone)
    opens_to_all(app.path("data"))
    nginx(app, f"""server {{ listen unix:{app.folder}/php.sock; set_real_ip_from unix:; real_ip_header X-Forwarded-For; root {app.folder}/www; index index.php;
        location ~ \\.php {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME {app.folder}/www$fastcgi_script_name;
        fastcgi_param MW_INSTALL_PATH {app.folder}/www; fastcgi_pass unix:{fpm}; }} }}""")
    wait_for("nginx does not start", lambda: app.path("php.sock").exists())
    gateway = Gateway("mediawiki", f"unix:{app.folder}/php.sock")
    local = app.path("www/LocalSettings.php")
    local.write_text(local.read_text().replace("http://localhost", gateway.url) + "\n$wgShowExceptionDetails = true;\n$wgCacheDirectory = \"" + str(app.path("data")) + "\";\n")
    gateway.user("alice")
    gateway.enrols("alice")
    gateway.user("bob")
    bob = Browser(gateway)
    page = bob.signs_in("bob", "/index.php?title=Main_Page")
    seen("bob reads a page", page.status == 200 and "MediaWiki" in page.text, page.text[:2000])
    page = bob.asks("/index.php?title=Harbour&action=edit")
    saved = bob.sends(page, "index.php", "wpTextbox1", wpTextbox1="The lamp is lit.", wpSave="Save")
    seen("and saves one", "The lamp is lit." in saved.text, saved.text[:3000])
    answer = bob.asks("/index.php?title=Special:UserRights", "POST", {"Origin": gateway.url, "Content-Type": "application/x-www-form-urlencoded"}, b"a=b")
    seen("a POST to a special page wants a second factor of him", answer.status == 401 or "/enrol" in answer.url, answer.url + answer.text[:500])
    for query in ["title=Special:UserRights", "title=special:userrights", "title=Special%3AUserRights", "TITLE=Special:UserRights", "title=Main_Page&title=Special:UserRights",
                  "title=Special:UserRights&x"]:
        answer = bob.asks(f"/index.php?{query}")
        seen(f"{query} wants a second factor of him", "/enrol" in answer.url, answer.url)
    seen("mw-config is closed (403)", bob.asks("/mw-config/index.php").status == 403)
    alice = Browser(gateway)
    page = alice.signs_in("alice", "/index.php?title=Special:UserRights")
    seen("alice gets there with hers", page.status in (200, 403) and "UserRights" in page.text, page.text[:2000])
