"""The page's style sheet: light, dark and print from one set of named colours."""

STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1d1d1b; --faint: #85837c;
  --rule: #dddbd4; --line-1: #2a6fc9; --line-2: #b8541f; --track: #e9e7e1; --half: #a9c3e6;
  --lane-1: #2a6fc9; --lane-2: #b8541f; --lane-3: #2c8a4b; --lane-4: #8d4fb3; --lane-5: #a07a10;
  --lane-6: #c23a62; }
@media (prefers-color-scheme: dark) { :root { --paper: #191918; --ink: #e9e8e3; --faint: #96948c;
  --rule: #3b3a37; --line-1: #6ea8f0; --line-2: #ea9a5f; --track: #32312e; --half: #3c5576;
  --lane-1: #6ea8f0; --lane-2: #ea9a5f; --lane-3: #6dc78b; --lane-4: #c795ea; --lane-5: #d9b85a;
  --lane-6: #f2849f; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --faint: #666;
  --rule: #bbb; --line-1: #1f58a5; --line-2: #994010; --track: #e4e4e4; --half: #a9c3e6;
  --lane-1: #1f58a5; --lane-2: #994010; --lane-3: #1d6b38; --lane-4: #6c3391; --lane-5: #7c5d05;
  --lane-6: #a02549; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .6rem; }
p { margin: .4rem 0; }
.headline { font-size: 1.1rem; }
.note { color: var(--faint); font-size: .9rem; }
h1, code { overflow-wrap: anywhere; }
code, pre { font: .85rem/1.45 ui-monospace, "Liberation Mono", Menlo, Consolas, monospace; }
pre, .wide { overflow-x: auto; }
pre { margin: 0; padding: .75rem .9rem; border: 1px solid var(--rule); border-radius: 4px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
th, td { padding: .28rem 1.4rem .28rem 0; text-align: left; font-weight: 400;
  border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { color: var(--faint); font-size: .85rem; }
.n { text-align: right; padding: .28rem 0 .28rem 1.6rem; white-space: nowrap; }
tbody th, .shape { white-space: nowrap; }
.n + :not(.n) { padding-left: 1.4rem; }
table:has(tr > :nth-child(6)) { font-size: .82rem; } /* many columns: closer together */
table:has(tr > :nth-child(6)) .n { padding-left: .7rem; }
.pairs { display: flex; flex-wrap: wrap; gap: 0 3.5rem; }
.pairs td { overflow-wrap: anywhere; }
figure { margin: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
figure div { max-width: 34rem; }
svg { width: 100%; height: auto; stroke-linejoin: round; font-family: inherit; }
tr.begin > * { border-top: 2px solid var(--rule); padding-top: .7rem; }
.sparse thead [colspan] { color: var(--ink); }
.sparse thead td, .sparse thead tr:first-child th { border-bottom: 0; padding-bottom: 0; }
table.sparse tr .n.first { padding-left: 2.2rem; }
.sparse thead tr:first-child th { text-align: right; padding-right: 0; }
.sparse th { white-space: nowrap; }
.sparse .wins { color: var(--line-1); font-weight: 600; }
.layers { width: 100%; }
.layers .bar { width: 45%; min-width: 8rem; padding-right: 0; }
.track { display: block; height: .8rem; margin-top: .35rem; background: var(--track);
  border-radius: 2px; overflow: hidden; }
.track span { display: block; height: 100%; background: var(--line-1); }
.cost, .swing { display: block; height: .8rem; margin-top: .35rem; min-width: 6rem; }
.cost span { display: block; height: 100%; background: var(--half); border-radius: 2px; }
.cost span span { background: var(--line-1); }
.swing { position: relative; width: 12rem; background:
  linear-gradient(var(--faint), var(--faint)) center / 1px 100% no-repeat; }
.swing span { position: absolute; height: 100%; background: var(--line-1); }
.swing .loss { background: var(--line-2); }
.panels { display: grid; gap: 1.25rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
.panels svg { display: block; height: 5rem; border-bottom: 1px solid var(--faint); }
.over, .under { display: flex; justify-content: space-between; gap: .5rem; flex-wrap: wrap;
  font-size: .85rem; font-variant-numeric: tabular-nums; }
.over b { font-weight: 500; } .over span, .under { color: var(--faint); }
.was { fill: var(--half); background: var(--half); }
.now { fill: var(--line-1); background: var(--line-1); }
.zero { stroke: var(--ink); stroke-dasharray: 2 3; vector-effect: non-scaling-stroke; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px;
  margin-left: .5rem; vertical-align: -.08rem; } .key:first-child { margin-left: 0; }
.masks { display: flex; flex-wrap: wrap; gap: .5rem; }
.masks svg, .inputs svg { height: var(--tall); width: calc(var(--wide) * var(--tall));
  max-width: 100%; shape-rendering: crispEdges; }
.small { --tall: 2.75rem; } .big { --tall: 4.9rem; } .inputs { --tall: 10.5rem; display: flex;
  flex-wrap: wrap; gap: 1rem; align-items: end; margin: .6rem 0 1rem; }
.masks rect, .inputs rect { fill: var(--track); }
.masks path, .inputs path { stroke: var(--line-1); stroke-width: 1; }
.groups { display: block; margin: .6rem 0; font-size: 12px; }
.groups rect { fill: none; stroke: var(--rule); } .groups text { fill: var(--ink); }
.groups .faint { fill: var(--faint); font-size: 11px; }
.groups g text { fill: var(--lane); font-weight: 600; font-size: 11px; }
.groups path, .groups circle { stroke: var(--lane); stroke-width: 1.6; fill: none; }
.groups .made { fill: var(--lane); } .groups .read { fill: var(--paper); }
@media (max-width: 40rem) { main { padding: 1rem .75rem 2rem; } table { font-size: .8rem; }
  th, td { padding-right: .6rem; } .n { padding: .28rem 0 .28rem .7rem; }
  .wide th:first-child { position: sticky; left: 0; background: var(--paper); }
  .layers .bar { min-width: 3rem; } .cost { min-width: 3rem; } .swing { width: 6rem; } }
@media print { html { font-size: 13px; } * { print-color-adjust: exact; }
  section, figure, tr, svg { break-inside: avoid; } section.long { break-inside: auto; }
  h2, p { break-after: avoid; } main { padding: 0; }
  pre { font-size: .68rem; white-space: pre-wrap; } .pairs section { break-inside: avoid; } }
"""

COMPARE = """
h3 { font-size: .95rem; font-weight: 500; margin: 1.4rem 0 .3rem; }
.multiples { display: grid; gap: .75rem 1rem; margin: .6rem 0 1rem;
  grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); }
.heat { font-size: .78rem; } .heat td, .heat thead th { text-align: right; padding: .2rem .28rem;
  min-width: 1.9rem; white-space: nowrap; }
.heat thead th:first-child:not([colspan]) { text-align: left; }
.heat thead [colspan] { text-align: left; padding-left: .5rem; color: var(--ink); }
.heat tbody td { background: color-mix(in srgb, var(--line-1) var(--k), var(--paper)); }
.heat .first { border-left: .35rem solid var(--paper); }
@media print { .multiples { grid-template-columns: repeat(4, 1fr); } h3 { break-after: avoid; } }
"""
