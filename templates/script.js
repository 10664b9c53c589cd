// Comfort for the gateway's pages; every one works without it, WebAuthn aside. It asks the network for nothing: what it needs stands
// in the page, and what it finds goes back as an ordinary form post.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
// Counted from when the page came, so that a tab that slept is right at once.
const started = performance.now();
const left = (seconds) => Math.max(0, seconds - Math.floor((performance.now() - started) / 1000));

// A form goes out once. The button is marked, not disabled: a disabled one would not send its value.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.busy) return event.preventDefault();
  form.dataset.busy = "1";
  (event.submitter ?? form.querySelector("button"))?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of all("form[data-busy]")) delete form.dataset.busy;
  for (const button of all("[aria-busy]")) button.removeAttribute("aria-busy");
});

// Times in the reader's own zone and habits: what is not long ago as such, with the moment itself in the title.
const language = document.documentElement.lang;
const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
for (const time of all("time[datetime]")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.getTime())) continue;
  if ("hour" in time.dataset || "date" in time.dataset) {
    // Of a chart: hours are the reader's, days those of the zone that the server counted them in.
    const part = "hour" in time.dataset ? { hour: "numeric" } : { month: "short", day: "numeric" };
    time.textContent = new Intl.DateTimeFormat(language, { ...part, ...(time.dataset.date === "utc" && { timeZone: "UTC" }) }).format(at);
    continue;
  }
  const clock = { hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
  if ("exact" in time.dataset) clock.second = "2-digit";
  const parts = { year: "numeric", month: "short", day: "numeric", ...("day" in time.dataset ? {} : clock) };
  const whole = new Intl.DateTimeFormat(language, parts).format(at);
  const minutes = Math.round((at.getTime() - Date.now()) / 60000);
  time.title = `${whole} (${time.textContent})`;
  if ("day" in time.dataset || "exact" in time.dataset || Math.abs(minutes) >= 1440) time.textContent = whole;
  else time.textContent = Math.abs(minutes) < 60 ? ago.format(minutes, "minute") : ago.format(Math.round(minutes / 60), "hour");
}

// The zone of a chart's hours; and the days of another span begin at the reader's midnight.
for (const zone of all("[data-zone]")) {
  const parts = new Intl.DateTimeFormat(language, { timeZoneName: "short" }).formatToParts();
  zone.textContent = parts.find((part) => part.type === "timeZoneName")?.value ?? zone.textContent;
}
for (const link of all("a[data-ahead]")) link.href += `&ahead=${-new Date().getTimezoneOffset()}`;

// The countdown, and the button that opens when another code may be sent. The server holds the truth of both.
const countdown = document.querySelector("#countdown");
const again = document.querySelector("#resend button[data-wait]");
if (countdown || again) {
  const tick = () => {
    if (countdown && !countdown.hidden) {
      const seconds = left(Number(countdown.dataset.seconds));
      countdown.textContent = clock(seconds);
      if (seconds === 0) countdown.parentElement.textContent = countdown.parentElement.dataset.expired;
    }
    if (again?.disabled) {
      const seconds = left(Number(again.dataset.wait));
      again.disabled = seconds > 0;
      again.textContent = seconds > 0 ? again.dataset.waiting.replace("{time}", clock(seconds)) : again.dataset.label;
    }
  };
  tick();
  setInterval(tick, 250);
}

// Showing a password.
for (const button of all("[data-reveal]")) {
  const field = document.getElementById(button.dataset.reveal);
  const show = (on) => {
    field.type = on ? "text" : "password";
    button.textContent = on ? button.dataset.hide : button.dataset.show;
    button.setAttribute("aria-label", on ? button.dataset.hideName : button.dataset.showName);
  };
  button.hidden = false;
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false));
}

// One box for all of a list.
for (const box of all("[data-all]")) {
  const boxes = all(`[name="${box.dataset.all}"]`, box.closest("form"));
  box.hidden = boxes.length === 0;
  box.addEventListener("change", () => boxes.forEach((one) => { one.checked = box.checked; }));
}

// Copy, download and print what must be kept.
for (const tools of all("[data-codes]")) {
  const source = document.getElementById(tools.dataset.codes);
  const text = () => (all("code", source).length ? all("code", source) : [source]).map((code) => code.textContent).join("\n") + "\n";
  const acts = {
    copy: async (button) => {
      await navigator.clipboard.writeText(text().trimEnd());
      const label = button.textContent;
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = label; }, 2000);
    },
    download: () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text()], { type: "text/plain" }));
      link.download = tools.dataset.file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    },
    print: () => print(),
  };
  for (const button of all("[data-do]", tools)) {
    if (button.dataset.do === "copy" && !navigator.clipboard) button.hidden = true;
    button.addEventListener("click", () => acts[button.dataset.do](button));
  }
  tools.hidden = false;
}

// WebAuthn: options from the page, the result back as JSON in the field `credential`.
const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function decoded(kind, options) {
  const parse = kind === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  try {
    if (PublicKeyCredential[parse]) return PublicKeyCredential[parse](options);
  } catch {
    // An option that this browser's own reader does not know; read by hand what matters.
  }
  const ids = (list) => list?.map((item) => ({ ...item, id: toBytes(item.id) }));
  const out = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) out.user = { ...options.user, id: toBytes(options.user.id) };
  if (options.allowCredentials) out.allowCredentials = ids(options.allowCredentials);
  if (options.excludeCredentials) out.excludeCredentials = ids(options.excludeCredentials);
  return out;
}

function encoded(credential) {
  const from = credential.response;
  const response = { clientDataJSON: toText(from.clientDataJSON) };
  if (from.attestationObject) {
    response.attestationObject = toText(from.attestationObject);
    response.transports = from.getTransports?.() ?? [];
  } else {
    response.authenticatorData = toText(from.authenticatorData);
    response.signature = toText(from.signature);
    response.userHandle = from.userHandle ? toText(from.userHandle) : null;
  }
  const { id, type } = credential;
  return { id, rawId: toText(credential.rawId), type, response, extensions: credential.getClientExtensionResults() };
}

// The browser takes one ceremony at a time: the offer in the user name field ends where a button is pressed.
let waiting = null;

function say(form, text) {
  let note = form.querySelector("[role=alert]");
  if (!note) {
    note = document.createElement("p");
    note.className = "note bad";
    note.setAttribute("role", "alert");
    form.prepend(note);
  }
  note.textContent = text;
}

async function ceremony(form, mediation) {
  waiting?.abort();
  const stop = (waiting = new AbortController());
  const { kind, options } = { kind: form.dataset.webauthn, options: JSON.parse(form.dataset.options) };
  const publicKey = decoded(kind, options.publicKey ?? options);
  const request = { publicKey, signal: stop.signal };
  if (mediation) request.mediation = mediation;
  const credential = await navigator.credentials[kind](request);
  form.elements.credential.value = JSON.stringify(encoded(credential));
  form.dataset.done = "1";
  form.requestSubmit();
}

for (const form of all("form[data-webauthn]")) {
  const button = form.querySelector("button:not([type=button])");
  if (!window.PublicKeyCredential || !navigator.credentials) {
    if (!form.hidden) {
      say(form, form.dataset.unsupported);
      button.disabled = true;
    }
    continue;
  }
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    if (form.dataset.done) return;
    event.preventDefault();
    button.setAttribute("aria-busy", "true");
    ceremony(form)
      .catch(() => say(form, form.dataset.failed))
      .finally(() => form.dataset.done || button.removeAttribute("aria-busy"));
  });
  if ("conditional" in form.dataset) {
    PublicKeyCredential.isConditionalMediationAvailable?.()
      .then((can) => (can ? ceremony(form, "conditional") : null))
      .catch(() => null);
  }
}
