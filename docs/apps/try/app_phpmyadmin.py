"""phpMyAdmin: MariaDB's own passwords, typed once into the gateway and sent with HTTP Basic."""

import os
import pathlib
import shutil

from app_php_fpm import nginx, php_fpm
from gateway import Browser, Client, Gateway, Place, block, needs, runs, seen, wait_for

FILES = pathlib.Path("/usr/share/phpmyadmin")


def tries():
    needs((str(FILES / "index.php"), "phpmyadmin"), ("mariadbd", "mariadb-server"), ("mariadb-install-db", "mariadb-server"))
    app = Place()
    fpm = php_fpm(app)
    who = ["--user=mysql"] if os.geteuid() == 0 else []
    app.path("db").mkdir()
    if who:
        shutil.chown(app.path("db"), "mysql", "mysql")
    common = ["--no-defaults", f"--datadir={app.folder}/db", *who]
    runs("mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal")
    app.writes("start.sql", "CREATE USER 'anna'@'localhost' IDENTIFIED BY 'amber';\nCREATE DATABASE harbour;\nGRANT ALL ON harbour.* TO 'anna'@'localhost';\n", 0o644)
    app.starts("mariadbd", *common, "--skip-networking", f"--socket={app.folder}/db/sock", f"--init-file={app.folder}/start.sql", log="db.log")
    wait_for("MariaDB does not start", lambda: app.path("db/sock").exists(), app.path("db.log"))
    shutil.copytree(FILES, app.path("www/phpmyadmin"), symlinks=True)
    vendor = app.path("www/phpmyadmin/libraries/vendor_config.php")
    vendor.write_text(vendor.read_text().replace("'/etc/phpmyadmin/config.inc.php'", f"'{app.folder}/config.inc.php'")
                      .replace("'/var/lib/phpmyadmin/tmp/'", f"'{app.folder}/cache/'"))
    app.path("cache").mkdir()
    app.path("cache").chmod(0o777)
    app.path("db").chmod(0o755)
    app.writes("config.inc.php", "<?php\n" + block("phpmyadmin", "php") + f"$cfg['Servers'][1]['socket'] = '{app.folder}/db/sock';\n"
               "$cfg['Servers'][1]['host'] = 'localhost';\n$cfg['blowfish_secret'] = '0123456789abcdef0123456789abcdef';\n")
    nginx(app, f"""server {{ listen unix:{app.folder}/php.sock; set_real_ip_from unix:; real_ip_header X-Forwarded-For; root {app.folder}/www; index index.php;
        location ~ \\.php$ {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass unix:{fpm}; }} }}""")
    wait_for("nginx does not start", lambda: app.path("php.sock").exists())
    gateway = Gateway("phpmyadmin", f"unix:{app.folder}/php.sock")
    config = app.path("config.inc.php")
    config.write_text(config.read_text().replace("https://db.internal.example", gateway.url))
    gateway.user("alice", "dba")
    gateway.enrols("alice")
    browser = Browser(gateway)
    page = browser.signs_in("alice", "/phpmyadmin/index.php")
    seen("before a password is stored the page says what to do", page.status == 502 and "account/applications" in page.text, page.text)

    def stores(password):
        page = browser.asks("/.vestibule/account/applications")
        return browser.sends(page, "account/applications", route="phpmyadmin", username="anna", password=password)

    stores("wrong")
    refused = [browser.asks("/phpmyadmin/index.php").status for _ in range(3)]
    seen("a wrong one is a page, and no prompt", refused == [502] * 3, refused)
    stores("amber")
    page = browser.asks("/phpmyadmin/index.php?route=/")
    seen("phpMyAdmin knows anna", page.status == 200 and "anna@localhost" in page.text, page.text[:3000])
    page = browser.asks("/phpmyadmin/index.php?route=/database/structure&db=harbour")
    seen("and her database", "harbour" in page.text and page.status == 200)
    seen("its setup is closed (403)", browser.asks("/phpmyadmin/setup/index.php").status == 403)
    seen("nobody gets there without signing in (401)", Client(gateway).asks("/phpmyadmin/").status == 401)
