"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const KINDS = ["with findings", "not wholly run", "clean", "could not run"];
const STATES = ["holds", "broken", "warned", "accepted", "not-applicable", "untested"];
const SIGNS = { holds: "✓", accepted: "✓", "not-applicable": "–", untested: "?" };
const WORDS = { broken: "broken", warned: "broken, a warning", accepted: "broken, accepted" };
const rules = new Map(data.rules.map(rule => [rule.code, rule]));
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const button = (properties, act) => Object.assign(element("button", { type: "button", ...properties }), { onclick: act });
const unwrapped = text => text.replace(/([^\n])\n(?!\n)/g, "$1 ");

const kind = target => target.error ? "could not run" : target.counting ? "with findings" : target.notRun ? "not wholly run" : "clean";
const of = (target, law) => target.findings.filter(finding => finding.law === law);

function state(target, law) {
  const verdict = target.verdicts[law];
  if (verdict !== "broken") return verdict;
  const open = of(target, law).filter(finding => finding.severity !== "info" && !finding.accepted);
  if (!open.length) return "accepted";
  return open.some(finding => finding.severity === "fail") ? "broken" : "warned";
}

let chosen = new Set();
let sought = "";

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  chosen = new Set((given.get("show") || "").split(",").filter(name => KINDS.includes(name)));
  sought = given.get("name") || "";
  document.getElementById("search").value = sought;
}

function writeAddress() {
  const given = new URLSearchParams();
  if (chosen.size) given.set("show", [...chosen].join(","));
  if (sought) given.set("name", sought);
  history.replaceState(null, "", given.size ? "#" + given : location.pathname + location.search);
}

const shown = () => data.targets.filter(target =>
  (!chosen.size || chosen.has(kind(target))) && target.target.toLowerCase().includes(sought.toLowerCase()));

function drawKinds() {
  document.getElementById("kinds").replaceChildren(...KINDS.map(name => {
    const number = data.targets.filter(target => kind(target) === name).length;
    const made = button({ textContent: `${name} ${number}` }, () => {
      chosen.delete(name) || chosen.add(name);
      writeAddress();
      draw();
      document.querySelector(`[data-kind="${name}"]`).focus();
    });
    made.dataset.kind = name;
    made.setAttribute("aria-pressed", chosen.has(name));
    return made;
  }));
}

function drawMatrix() {
  const targets = shown();
  const head = element("tr", {}, element("th", { className: "law", scope: "col", textContent: "module" }));
  for (const rule of data.rules) {
    const title = button({ textContent: rule.code, title: `${rule.title}: ${rule.sentence}` },
      () => open(`${rule.code} ${rule.title}`, [...explained(rule), ...targets.flatMap(target => described(target, rule.code, true))]));
    head.append(element("th", { className: "code", scope: "col" }, title));
  }
  const body = element("tbody");
  for (const target of targets) body.append(row(target));
  document.getElementById("matrix").replaceChildren(element("thead", {}, head), body);
  document.getElementById("count").textContent = `${targets.length} of ${data.targets.length} modules: `
    + KINDS.map(name => `${targets.filter(target => kind(target) === name).length} ${name}`).join(", ");
}

function row(target) {
  const [where, name] = target.target.includes(":") ? target.target.split(/:(?=[^:]*$)/) : ["", target.target];
  const share = target.error ? "" : `${target.held}/${target.applicable}` + (target.notRun ? ` · ${target.notRun} not run` : "");
  const title = button({ title: target.target },
    () => open(target.target, [about(target), ...data.rules.flatMap(rule => described(target, rule.code, false))]));
  title.append(element("span", { className: "package", textContent: where && where + ":" }),
    element("span", { className: "title", textContent: name }), element("small", { textContent: share }));
  const made = element("tr", {}, element("th", { className: "law", scope: "row" }, title));
  if (target.error) {
    made.append(element("td", { className: "lost", colSpan: data.rules.length }, element("div", { textContent: target.error })));
    return made;
  }
  for (const rule of data.rules) {
    if (!(rule.code in target.verdicts)) {
      made.append(element("td"));
      continue;
    }
    const found = state(target, rule.code);
    const cell = button({ className: found, textContent: SIGNS[found] ?? of(target, rule.code).filter(f => f.severity !== "info").length },
      () => open(`${rule.code} ${rule.title}`, [...described(target, rule.code, true), ...explained(rule)]));
    cell.setAttribute("aria-label", `${rule.code}, ${name}: ${WORDS[found] ?? found}`);
    made.append(element("td", {}, cell));
  }
  return made;
}

const about = target => element("p", { className: "meta", textContent: target.error ? target.error :
  [target.backend, ...Object.entries(target.versions).map(pair => pair.join(" ")), `${target.held} held of ${target.applicable} laws that apply`,
    `${target.notRun} not run`, `${target.seconds.toFixed(1)} s`].join(" · ") });

const explained = rule => [
  element("p", { className: "sentence", textContent: rule.sentence }),
  element("p", { className: "why", textContent: unwrapped(rule.how) }),
  element("p", { className: "why" }, element("b", { textContent: "When it is fine. " }), rule.fine),
  ...rule.reports.map(link => element("p", {}, anchor(link))),
];

const anchor = link =>
  /^https?:/.test(link) ? element("a", { href: link, textContent: link, rel: "noreferrer" }) : link;

/** What there is to say of one law on one target: its findings, or why it was not run. */
function described(target, law, named) {
  const findings = of(target, law);
  const verdict = target.verdicts[law];
  const name = named ? target.target : `${law} ${rules.get(law).title}`;
  if (findings.length) return together(findings).map(alike => describe(alike, name));
  if (verdict === "untested" || (named && verdict === "not-applicable"))
    return [element("article", {}, element("h3", {}, element("span", { className: verdict, textContent: verdict }), name),
      element("p", { textContent: target.reasons[law] || "" }))];
  return [];
}

/** Findings of which all is the same but the entry, as those of the layers of one model are. */
function together(findings) {
  const groups = new Map();
  for (const finding of findings) {
    const key = JSON.stringify([finding.severity, finding.source, finding.message, finding.fix, finding.accepted]);
    groups.set(key, [...(groups.get(key) || []), finding]);
  }
  return [...groups.values()];
}

function describe(alike, name) {
  const finding = alike[0];
  const entries = alike.map(each => each.entry || "the module");
  const more = entries.length > 8 ? ` and ${entries.length - 8} more` : "";
  const severity = finding.accepted ? "accepted" : finding.severity;
  const colour = { fail: "broken", warn: "warned", info: "accepted", accepted: "accepted" }[severity];
  const made = element("article", {}, element("h3", {}, element("span", { className: colour, textContent: severity }), name),
    element("p", {}, element("span", { className: "entry", textContent: entries.slice(0, 8).join(", ") + more }),
      " " + finding.message));
  if (finding.source) made.append(element("p", { className: "source", textContent: finding.source }));
  if (finding.accepted) made.append(element("p", { textContent: "accepted: " + finding.accepted }));
  if (finding.fix) made.append(element("pre", { textContent: finding.fix }));
  return made;
}

function open(title, parts) {
  document.getElementById("panel-body").replaceChildren(element("h2", { id: "panel-title", textContent: title }), ...parts);
  const panel = document.getElementById("panel");
  panel.showModal();
  panel.scrollTop = 0;
}

function drawRest() {
  const lists = [["unbuilt", "classes of which none was made"], ["unimported", "modules that cannot be imported"]];
  for (const [name, title] of lists) {
    const rows = Object.entries(data[name]);
    if (!rows.length) continue;
    const list = element("dl");
    for (const [what, why] of rows) list.append(element("dt", { textContent: what }), element("dd", { textContent: why }));
    document.getElementById("rest").append(element("details", {}, element("summary", { textContent: `${title}: ${rows.length}` }), list));
  }
}

function draw() {
  drawKinds();
  drawMatrix();
}

const machine = Object.entries(data.machine)
  .map(([what, found]) => (what === "cores" ? `${found} cores` : what === "python" ? `Python ${found}` : found));
document.getElementById("meta").textContent = [`${data.date.slice(0, 16).replace("T", " ")} UTC`, ...machine].join(" · ");
document.getElementById("legend").append(...STATES.map(name =>
  element("span", { className: name, textContent: `${SIGNS[name] ?? "n"} ${name}` })));
const panel = document.getElementById("panel");
document.getElementById("close").onclick = () => panel.close();
panel.onclick = event => { if (event.target === panel) panel.close(); };
document.getElementById("search").oninput = event => {
  sought = event.target.value.trim();
  writeAddress();
  drawMatrix();
};
addEventListener("hashchange", () => { readAddress(); draw(); });
readAddress();
drawRest();
draw();
