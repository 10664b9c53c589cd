"""Nagios: its CGI programs behind Apache, with the page's lines."""

from gateway import Browser, Client, Gateway, Place, apache, basic, block, needs, opens_to_all, seen, wait_for

CGI = "/usr/lib/cgi-bin/nagios4"


def tries():
    needs(("apache2", "apache2"), (f"{CGI}/status.cgi", "nagios4-cgi"), ("/usr/sbin/nagios4", "nagios4-core"))
    app = Place()
    app.writes("objects.cfg", """
define command {
 command_name none
 command_line /bin/true
}
define timeperiod {
 timeperiod_name always
 alias always
 monday 00:00-24:00
}
define contact {
 contact_name alice
 host_notifications_enabled 0
 service_notifications_enabled 0
 host_notification_period always
 service_notification_period always
 host_notification_options n
 service_notification_options n
 host_notification_commands none
 service_notification_commands none
}
define host {
 host_name lamp
 address 127.0.0.1
 check_command none
 max_check_attempts 1
 check_period always
 contacts alice
 notification_period always
}
define service {
 host_name lamp
 service_description light
 check_command none
 max_check_attempts 1
 check_interval 5
 retry_interval 1
 check_period always
 contacts alice
 notification_period always
}
""")
    kept = "".join(f"{name}={app.folder}/var/{file}\n" for name, file in [
        ("log_file", "nagios.log"), ("object_cache_file", "objects.cache"), ("precached_object_file", "objects.pre"), ("status_file", "status.dat"),
        ("command_file", "nagios.cmd"), ("lock_file", "nagios.pid"), ("state_retention_file", "retention.dat"), ("temp_file", "tmp"),
        ("check_result_path", "checks"), ("query_socket", "nagios.qh"), ("temp_path", "")])
    app.path("var/checks").mkdir(parents=True)
    app.writes("nagios.cfg", f"cfg_file={app.folder}/objects.cfg\nresource_file=/etc/nagios4/resource.cfg\n{kept}nagios_user=www-data\nnagios_group=www-data\n"
               "check_external_commands=1\nstatus_update_interval=1\n")
    app.writes("cgi.cfg", f"main_config_file={app.folder}/nagios.cfg\nphysical_html_path=/usr/share/nagios4/htdocs\nurl_html_path=/nagios\nuse_authentication=1\n"
               "authorized_for_all_services=alice\nauthorized_for_all_hosts=alice\nauthorized_for_all_service_commands=alice\nauthorized_for_all_host_commands=alice\n")
    opens_to_all(app.path("var"))
    app.starts("/usr/sbin/nagios4", app.path("nagios.cfg"))
    shown = block("nagios", "apache").replace("/usr/local/nagios/sbin", CGI)
    port = apache(app, ["env", "setenvif", "alias", "cgid"], f"""
        ScriptSock {app.folder}/cgid.sock
        SetEnv NAGIOS_CGI_CONFIG {app.folder}/cgi.cfg
        ScriptAlias /nagios/cgi-bin/ {CGI}/
        {shown}
    """)
    started = lambda: app.path("var/status.dat").exists() and app.path("var/objects.cache").exists()  # noqa: E731
    wait_for("Nagios does not start", started, app.path("log"))
    opens_to_all(app.path("var"))
    gateway = Gateway("nagios", f"http://127.0.0.1:{port}")
    gateway.user("alice", "operators")
    gateway.enrols("alice")
    gateway.user("bob")
    status = "/nagios/cgi-bin/status.cgi?host=all"
    browser = Browser(gateway)
    page = browser.signs_in("alice", status).text
    seen("status.cgi knows alice and shows her host", "Logged in as <i>alice</i>" in page and "lamp" in page, page[:3000])
    bob = Browser(gateway)
    page = bob.signs_in("bob", status).text
    seen("and bob, who may see nothing there", "Logged in as <i>bob</i>" in page and "lamp</a>" not in page, page[:3000])
    page = bob.asks(status, headers={"Remote-User": "alice", "REMOTE_USER": "alice"}).text
    seen("Remote-User from a client changes nothing", "Logged in as <i>bob</i>" in page)
    for path in ["/nagios/cgi-bin/cmd.cgi?cmd_typ=1", "/nagios//cgi-bin/cmd.cgi", "/nagios/cgi-bin/cmd.cgi/x", "/nagios/cgi-bin/%63md.cgi"]:
        seen(f"{path} is not for bob", bob.asks(path).status in (403, 404))
    seen("it is for alice, with her second factor", browser.asks("/nagios/cgi-bin/cmd.cgi?cmd_typ=1").status == 200)
    token = gateway.token("watch", groups=["operators"])
    script = Client(gateway)
    seen("a script reads with its token, as Basic and as X-Vestibule-Token",
         {script.asks(status, headers=head).status for head in [basic("any", token), {"X-Vestibule-Token": token}]} == {200})
    seen("and gives no commands (403)", script.asks("/nagios/cgi-bin/cmd.cgi", headers=basic("any", token)).status == 403)
