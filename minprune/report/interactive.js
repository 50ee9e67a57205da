// Prunes a net of dense layers in the page: y = relu(W x + b), W masked by the first k of an order.
// The orders come from minprune: entry order[0] is removed first, so that no score is compared here.
"use strict";
const page = JSON.parse(document.getElementById("net").textContent);

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
}
const layers = page.layers.map((l) => ({
  ...l, w: new Float32Array(bytes(l.w)), b: new Float32Array(bytes(l.b)),
}));
const total = layers.reduce((n, l) => n + l.w.length, 0); // weights of all layers, one after another
const pixels = Float32Array.from(new Uint8Array(bytes(page.x)), (v) => v / page.scale);
const labels = new Uint8Array(bytes(page.y));
const features = layers[0].inputs;
const classes = page.classes.length;
const orders = {};
for (const [name, order] of Object.entries(page.orders)) orders[name] = new Uint16Array(bytes(order));

function rounded(v) { // half to even, as in minprune
  const below = Math.floor(v), rest = v - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

function removed(step) { // how many: round(sparsity n), at least what is masked, at most what may go
  return Math.min(Math.max(rounded((step / page.steps) * total), page.masked), page.most);
}

function masksOf(criterion, k) { // 1 = kept
  const mask = new Uint8Array(total).fill(1);
  for (let j = 0; j < k; j++) mask[orders[criterion][j]] = 0;
  return mask;
}

function answers(mask) { // the class of the largest output for each sample
  const found = new Uint8Array(labels.length);
  const live = [];
  let first = 0;
  for (const l of layers) {
    const rows = [];
    for (let o = 0; o < l.outputs; o++) {
      const at = [];
      for (let i = 0; i < l.inputs; i++) if (mask[first + o * l.inputs + i]) at.push(i);
      rows.push(Uint16Array.from(at));
    }
    live.push(rows);
    first += l.w.length;
  }
  for (let n = 0; n < labels.length; n++) {
    let x = pixels.subarray(n * features, (n + 1) * features);
    layers.forEach((l, depth) => {
      const y = new Float64Array(l.outputs);
      for (let o = 0; o < l.outputs; o++) {
        let sum = l.b[o];
        for (const i of live[depth][o]) sum += l.w[o * l.inputs + i] * x[i];
        y[o] = l.relu && sum < 0 ? 0 : sum;
      }
      x = y;
    });
    let best = 0;
    for (let c = 1; c < x.length; c++) if (x[c] > x[best]) best = c;
    found[n] = best;
  }
  return found;
}

const byId = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const percent = (share) => (100 * share).toFixed(1) + " %";

function row(cells) { // of a table; the first cell names it
  const tr = document.createElement("tr");
  cells.forEach((value, k) => {
    const cell = document.createElement(k ? "td" : "th");
    if (k) cell.className = "n"; else cell.scope = "row";
    cell.textContent = value;
    tr.append(cell);
  });
  return tr;
}

function paint(canvas, tiles, side, perRow, pixel) { // squares of side x side, perRow beside another
  const gap = 1, rows = Math.ceil(tiles / perRow);
  canvas.width = perRow * (side + gap) - gap;
  canvas.height = rows * (side + gap) - gap;
  const pen = canvas.getContext("2d");
  for (let t = 0; t < tiles; t++)
    for (let i = 0; i < side * side; i++) {
      pen.fillStyle = pixel(t, i);
      const x = (t % perRow) * (side + gap) + (i % side);
      pen.fillRect(x, Math.floor(t / perRow) * (side + gap) + Math.floor(i / side), 1, 1);
    }
}

function drawMasks(mask) {
  const kept = colour("--line-1"), gone = colour("--gone");
  paint(byId("masks"), layers[0].outputs, page.side, 8,
    (unit, i) => (mask[unit * features + i] ? kept : gone));
}

function drawCurve(criterion, step, accuracy) {
  const at = (s, a) => `${40 + 520 * s},${10 + 160 * (1 - a)}`;
  byId("line").setAttribute("points", page.curves[criterion].map(([s, a]) => at(s, a)).join(" "));
  const [x, y] = at(step / page.steps, accuracy).split(",");
  byId("point").setAttribute("cx", x);
  byId("point").setAttribute("cy", y);
}

function drawConfusions(found) {
  const counts = Array.from({ length: classes }, () => new Array(classes).fill(0));
  found.forEach((c, n) => counts[labels[n]][c]++);
  const body = byId("confusion-rows");
  body.replaceChildren(...counts.map((line, c) => {
    const tr = row([page.classes[c], ...line]);
    const most = line.reduce((a, b) => a + b, 0) || 1;
    line.forEach((v, k) => tr.children[k + 1].style.setProperty("--k", (60 * v) / most + "%"));
    return tr;
  }));
}

function drawWrong(found) {
  const wrong = [...found.keys()].filter((n) => found[n] !== labels[n]);
  const shown = wrong.slice(0, 16);
  paint(byId("wrong"), Math.max(shown.length, 1), page.side, 8, (t, i) => {
    if (t >= shown.length) return "transparent";
    const v = Math.round(255 * (1 - pixels[shown[t] * features + i]));
    return `rgb(${v},${v},${v})`;
  });
  byId("wrong").hidden = !shown.length;
  byId("wrong-words").textContent = shown.length
    ? `${wrong.length} of ${labels.length} are wrong. The first: ` + shown.map((n) =>
      `${page.classes[labels[n]]} read as ${page.classes[found[n]]}`).join(", ") + "."
    : "None is wrong.";
}

let last = null; // what is shown: for tests too
function show() {
  const begun = performance.now();
  const criterion = byId("criterion").value, step = Number(byId("sparsity").value);
  const k = removed(step), mask = masksOf(criterion, k), found = answers(mask);
  let right = 0;
  found.forEach((c, n) => { right += c === labels[n]; });
  const accuracy = right / labels.length;
  byId("share").textContent = percent(step / page.steps);
  byId("result").textContent =
    `${percent(accuracy)} of ${labels.length} test samples are right (${percent(page.accuracy)} ` +
    `before pruning); ${(total - k).toLocaleString("en")} of ${total.toLocaleString("en")} weights ` +
    "are left.";
  byId("says").textContent = `${criterion}: ${page.says[criterion]}`;
  byId("command").textContent = `minprune explain ${criterion}`;
  let first = 0;
  byId("layer-rows").replaceChildren(...layers.map((l) => {
    let kept = 0;
    for (let j = first; j < first + l.w.length; j++) kept += mask[j];
    first += l.w.length;
    return row([l.name, l.w.length.toLocaleString("en"), kept.toLocaleString("en"),
      percent(kept / l.w.length)]);
  }));
  if (page.side) drawMasks(mask);
  drawCurve(criterion, step, accuracy);
  drawConfusions(found);
  if (page.side) drawWrong(found);
  last = { mask, right, milliseconds: performance.now() - begun };
  return last;
}

for (const id of ["criterion", "sparsity"]) byId(id).addEventListener("input", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
const asked = new URLSearchParams(location.hash.slice(1)); // #criterion=obd&step=900
if (asked.get("criterion") in orders) byId("criterion").value = asked.get("criterion");
if (asked.has("step")) byId("sparsity").value = asked.get("step");
show();
