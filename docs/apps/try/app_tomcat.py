"""Tomcat: the page's filter, compiled and in front of a servlet that says who it is."""

import os
import pathlib
import shutil

from gateway import Browser, Client, Gateway, Place, block, free_port, needs, runs, seen

HOME = pathlib.Path("/usr/share/tomcat10")
IMPORTS = "import jakarta.servlet.*;\nimport jakarta.servlet.http.*;\nimport java.io.IOException;\n"
SERVLET = IMPORTS + """
public class Who extends HttpServlet {
    @Override
    protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.getWriter().print(request.getRemoteUser() + "|" + request.getUserPrincipal() + "|" + request.isSecure() + "|" + request.getPathInfo());
    }
}
"""
WEB = """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
  <filter><filter-name>user</filter-name><filter-class>RemoteUserFilter</filter-class></filter>
  <filter-mapping><filter-name>user</filter-name><url-pattern>/*</url-pattern></filter-mapping>
  <servlet><servlet-name>who</servlet-name><servlet-class>Who</servlet-class></servlet>
  <servlet-mapping><servlet-name>who</servlet-name><url-pattern>/who/*</url-pattern></servlet-mapping>
  <servlet><servlet-name>manager</servlet-name><servlet-class>Who</servlet-class></servlet>
  <servlet-mapping><servlet-name>manager</servlet-name><url-pattern>/manager/*</url-pattern></servlet-mapping>
</web-app>
"""
SERVER = """<Server port="-1"><Service name="Catalina">
  <Connector port="%d" address="127.0.0.1"/>
  <Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps">
    <Valve className="org.apache.catalina.valves.RemoteIpValve"/>
  </Host></Engine>
</Service></Server>
"""


def tries():
    needs((str(HOME / "bin/catalina.sh"), "tomcat10"), ("javac", "default-jdk-headless"), ("java", "default-jre-headless"))
    app = Place()
    classes = app.path("webapps/ROOT/WEB-INF/classes")
    app.writes("src/Who.java", SERVLET)
    app.writes("src/RemoteUserFilter.java", IMPORTS + block("tomcat", "java"))
    app.writes("webapps/ROOT/WEB-INF/web.xml", WEB)
    runs("javac", "-cp", HOME / "lib/servlet-api.jar", "-d", classes, app.path("src/Who.java"), app.path("src/RemoteUserFilter.java"))
    seen("the page's filter compiles")
    for folder in ["logs", "temp", "work"]:
        app.path(folder).mkdir()
    port = free_port()
    app.writes("conf/server.xml", SERVER % port)
    for name in ["web.xml", "catalina.properties"]:
        shutil.copy(pathlib.Path("/etc/tomcat10") / name, app.path("conf"))
    alone = {**os.environ, "CATALINA_HOME": str(HOME), "CATALINA_BASE": str(app.folder), "CATALINA_TMPDIR": str(app.path("temp"))}
    app.starts(HOME / "bin/catalina.sh", "run", env=alone)
    app.listening(port)
    gateway = Gateway("tomcat", f"http://127.0.0.1:{port}")
    gateway.user("alice")
    browser = Browser(gateway)
    said = browser.signs_in("alice", "/who/").text.split("|")
    seen("getRemoteUser() is alice", said[0] == "alice", said)
    said = browser.asks("/who/", headers={"Remote-User": "root", "Remote_User": "root"}).text
    seen("Remote-User from a client changes nothing", said.startswith("alice|"), said)
    for path in ["/manager/", "/manager;x=1/", "/manager/;/html", "/who;a=b/../manager/", "/%6danager/", "//manager/", "/MANAGER/", "/who/..;/manager/"]:
        answer = browser.asks(path)
        seen(f"{path} stays closed ({answer.status})", answer.status in (400, 403, 404) and "alice|" not in answer.text, answer.text)
    said = browser.asks("/who/a;b=c").text
    seen("other paths with parameters pass", said.startswith("alice|"), said)
    seen("nobody gets there without signing in (401)", Client(gateway).asks("/who/").status == 401)
