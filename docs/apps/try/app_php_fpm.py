"""PHP-FPM behind nginx: the page's server block, with the folders of this trial."""

import os

from gateway import Browser, Client, Gateway, Place, block, needs, seen, wait_for


def php_fpm(app):
    """PHP's own server for nginx: its socket."""
    needs(("/usr/sbin/php-fpm8.2", "php8.2-fpm"), ("nginx", "nginx-light"))
    user = "user = www-data\ngroup = www-data\nlisten.mode = 0666\n" if os.geteuid() == 0 else ""
    app.writes("fpm.conf", f"[global]\nerror_log = {app.folder}/fpm.log\ndaemonize = no\n[www]\n{user}listen = {app.folder}/fpm.sock\n"
               "pm = static\npm.max_children = 2\ncatch_workers_output = yes\n")
    app.starts("/usr/sbin/php-fpm8.2", "-y", app.path("fpm.conf"), "-c", "/etc/php/8.2/fpm/php.ini")
    wait_for("PHP-FPM does not start", lambda: app.path("fpm.sock").exists())
    return app.path("fpm.sock")


def nginx(app, server):
    """nginx with one server block."""
    user = "user www-data;" if os.geteuid() == 0 else ""
    app.writes("nginx.conf", f"""{user}
pid {app.folder}/nginx.pid; error_log {app.folder}/nginx.log; daemon off; worker_processes 1;
events {{}}
http {{ include /etc/nginx/mime.types; access_log off; client_body_temp_path {app.folder}/body; fastcgi_temp_path {app.folder}/fastcgi;
proxy_temp_path {app.folder}/proxy; uwsgi_temp_path {app.folder}/uwsgi; scgi_temp_path {app.folder}/scgi; client_max_body_size 64m;
{server} }}""")
    app.starts("nginx", "-c", app.path("nginx.conf"), "-p", app.folder)


def tries():
    app = Place()
    fpm = php_fpm(app)
    app.writes("www/who.php", "<?php echo $_SERVER['REMOTE_USER'] ?? '', '|', $_SERVER['HTTP_REMOTE_USER'] ?? '', '|', $_SERVER['HTTPS'] ?? '', '|', $_SERVER['REMOTE_ADDR'];")
    server = block("php-fpm", "nginx").replace("/run/nginx/php.sock", f"{app.folder}/php.sock").replace("/run/php/php-fpm.sock", str(fpm))
    nginx(app, server.replace("/srv/app", f"{app.folder}/www").replace("include fastcgi_params", "include /etc/nginx/fastcgi_params"))
    wait_for("nginx does not start", lambda: app.path("php.sock").exists())
    gateway = Gateway("php-fpm", f"unix:{app.folder}/php.sock")
    gateway.user("alice")
    browser = Browser(gateway)
    said = browser.signs_in("alice", "/who.php").text
    seen("$_SERVER['REMOTE_USER'] is alice", said == "alice|alice|on|127.0.0.1", said)
    for name in ["Remote-User", "Remote_User", "REMOTE-USER"]:
        said = browser.asks("/who.php", headers={name: "root"}).text
        seen(f"{name} from a client changes nothing", said == "alice|alice|on|127.0.0.1", said)
    seen("nobody gets there without signing in (401)", Client(gateway).asks("/who.php").status == 401)
