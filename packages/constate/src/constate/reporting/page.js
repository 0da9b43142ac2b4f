"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const VERDICTS = ["holds", "broken", "limited", "not-applicable", "untested"];
const WORST = ["untested", "broken", "limited", "holds"];
const laws = new Map(data.laws.map(law => [law.code, law]));
const unique = values => [...new Set(values)];
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const filters = {
  backend: unique(data.cells.map(cell => cell.backend)),
  flavour: unique(data.cells.map(cell => cell.flavour)),
  module: Object.keys(data.modules),
  chapter: unique(data.laws.map(law => law.code[0])),
  verdict: VERDICTS.filter(verdict => data.cells.some(cell => cell.verdict === verdict)),
};
const value = { ...Object.fromEntries(Object.keys(filters).map(name => [name, cell => cell[name]])), chapter: cell => cell.law[0] };
const labels = { chapter: data.chapters, module: data.modules };
const chosen = Object.fromEntries(Object.keys(filters).map(name => [name, new Set()]));

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name in filters)
    chosen[name] = new Set((given.get(name) || "").split(",").filter(choice => filters[name].includes(choice)));
}

function writeAddress() {
  const given = new URLSearchParams();
  for (const name in chosen) if (chosen[name].size) given.set(name, [...chosen[name]].join(","));
  history.replaceState(null, "", given.size ? "#" + given : location.pathname + location.search);
}

const passes = cell => Object.keys(filters).every(name => !chosen[name].size || chosen[name].has(value[name](cell)));

function counts(cells) {
  const number = verdict => cells.filter(cell => cell.verdict === verdict).length;
  return { held: number("holds"), applicable: cells.length - number("not-applicable"), notRun: number("untested") };
}

function drawFilters() {
  const active = Object.values(chosen).reduce((sum, choices) => sum + choices.size, 0);
  document.getElementById("filters-title").textContent = active ? `Filters (${active} chosen)` : "Filters";
  document.getElementById("filters").replaceChildren(...Object.entries(filters).map(([name, choices]) => {
    const buttons = choices.map(choice => {
      const button = element("button", { type: "button", textContent: labels[name]?.[choice] ?? choice });
      button.dataset.filter = name;
      button.dataset.choice = choice;
      button.setAttribute("aria-pressed", chosen[name].has(choice));
      button.onclick = () => {
        chosen[name].delete(choice) || chosen[name].add(choice);
        writeAddress();
        draw();
        document.querySelector(`[data-filter="${name}"][data-choice="${choice}"]`).focus();
      };
      return button;
    });
    return element("div", {}, element("span", { className: "name", textContent: name }), ...buttons);
  }));
}

function drawMatrix() {
  const cells = data.cells.filter(passes);
  const rows = new Map();
  for (const cell of cells) {
    const key = cell.backend + "\n" + cell.flavour;
    if (!rows.has(cell.law)) rows.set(cell.law, new Map());
    const row = rows.get(cell.law);
    row.set(key, [...(row.get(key) || []), cell]);
  }
  const columns = unique(data.cells.map(cell => cell.backend + "\n" + cell.flavour))
    .filter(key => cells.some(cell => cell.backend + "\n" + cell.flavour === key));
  const edge = index => !index || columns[index].split("\n")[0] !== columns[index - 1].split("\n")[0];

  const head = element("tr", {}, element("th", { className: "law", scope: "col", textContent: "law" }));
  columns.forEach((key, index) => {
    const [backend, flavour] = key.split("\n");
    const total = counts(cells.filter(cell => cell.backend === backend && cell.flavour === flavour));
    const share = `${total.held}/${total.applicable}` + (total.notRun ? ` · ${total.notRun} not run` : "");
    head.append(element("th", { scope: "col", className: edge(index) ? "edge" : "" }, backend,
      element("small", { textContent: flavour }), element("small", { textContent: share })));
  });
  const body = element("tbody");
  let chapter = "";
  for (const law of data.laws) {
    if (!rows.has(law.code)) continue;
    if (law.code[0] !== chapter) {
      chapter = law.code[0];
      body.append(element("tr", { className: "chapter" },
        element("th", { colSpan: 1, textContent: data.chapters[chapter] }), element("td", { colSpan: columns.length })));
    }
    const title = element("button", { type: "button", title: law.sentence },
      element("b", { textContent: law.code }), element("span", { className: "title", textContent: law.title }));
    title.onclick = () => open(law, cells.filter(cell => cell.law === law.code));
    const row = element("tr", {}, element("th", { className: "law", scope: "row" }, title));
    columns.forEach((key, index) => {
      const here = rows.get(law.code).get(key);
      const box = element("td", { className: edge(index) ? "edge" : "" });
      if (here) {
        const { held, applicable } = counts(here);
        const verdict = WORST.find(name => here.some(cell => cell.verdict === name)) || "not-applicable";
        const button = element("button", { type: "button", className: verdict, textContent: applicable ? `${held}/${applicable}` : "–" });
        button.setAttribute("aria-label", `${law.code}, ${key.replace("\n", ", ")}: ${applicable ? `${held} of ${applicable} hold` : "not applicable"}`
          + (applicable && held < applicable ? `, ${verdict}` : ""));  // what the colour says
        button.onclick = () => open(law, here);
        box.append(button);
      }
      row.append(box);
    });
    body.append(row);
  }
  document.getElementById("matrix").replaceChildren(element("thead", {}, head), body);
  const all = counts(cells);
  document.getElementById("count").textContent =
    `${cells.length} of ${data.cells.length} cells: ${all.held} held of ${all.applicable} applicable, ${all.notRun} not run`;
}

function open(law, cells) {
  const order = cell => VERDICTS.indexOf(cell.verdict === "holds" ? "untested" : cell.verdict) + (cell.verdict === "holds");
  const sorted = cells.map((cell, index) => [cell, index])
    .sort((a, b) => order(a[0]) - order(b[0]) || a[1] - b[1]).map(pair => pair[0]);
  const heading = element("h2", { id: "panel-title", textContent: `${law.code} ${law.title}` });
  const parts = [heading, element("p", { className: "sentence", textContent: law.sentence })];
  if (law.why) parts.push(element("p", { className: "why", textContent: law.why.replace(/([^\n])\n(?!\n)/g, "$1 ") }));
  for (const link of law.reports) parts.push(element("p", {}, anchor(link)));
  document.getElementById("panel-body").replaceChildren(...parts, ...sorted.map(describe));
  const panel = document.getElementById("panel");
  panel.showModal();
  panel.scrollTop = 0;
}

const anchor = link =>
  /^https?:/.test(link) ? element("a", { href: link, textContent: link, rel: "noreferrer" }) : link;

function describe(cell) {
  const where = [cell.backend, cell.flavour, cell.module, cell.format].filter(Boolean).join(" · ");
  const list = element("dl");
  const add = (name, content) => content && list.append(element("dt", { textContent: name }), element("dd", {}, content));
  if (cell.reason !== `found ${cell.found}`) add("reason", cell.reason);
  if (cell.link) add("link", anchor(cell.link));
  add("found", cell.found);
  add("expected", cell.expected);
  add("run it", element("code", { textContent: cell.command }));
  return element("article", {}, element("h3", {}, element("span", { className: cell.verdict, textContent: cell.verdict }), where,
    element("small", { textContent: `${cell.seconds.toFixed(2)} s` })), list);
}

function draw() {
  drawFilters();
  drawMatrix();
}

const machine = Object.entries(data.machine)
  .map(([what, found]) => (what === "cores" ? `${found} cores` : what === "python" ? `Python ${found}` : found));
document.getElementById("meta").textContent =
  [`${data.date.slice(0, 16).replace("T", " ")} UTC`, ...machine].join(" · ");
document.getElementById("versions").append(...Object.entries(data.versions).map(([backend, found]) =>
  element("li", { textContent: `${backend}: ${Object.entries(found).map(pair => pair.join(" ")).join(", ")}` })));
document.getElementById("legend").append("held / applicable: ",
  ...VERDICTS.map(verdict => element("span", { className: verdict, textContent: verdict })));
const panel = document.getElementById("panel");
document.getElementById("close").onclick = () => panel.close();
panel.onclick = event => { if (event.target === panel) panel.close(); };
addEventListener("hashchange", () => { readAddress(); draw(); });
readAddress();
document.getElementById("filters-box").open = matchMedia("(min-width: 40rem)").matches;
draw();
