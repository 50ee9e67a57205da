"""The page's style sheet: light, dark and print from one set of named colours."""

STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1d1d1b; --faint: #85837c;
  --rule: #dddbd4; --line-1: #2a6fc9; --line-2: #b8541f; --track: #e9e7e1; }
@media (prefers-color-scheme: dark) { :root { --paper: #191918; --ink: #e9e8e3; --faint: #96948c;
  --rule: #3b3a37; --line-1: #6ea8f0; --line-2: #ea9a5f; --track: #32312e; } }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --faint: #666;
  --rule: #bbb; --line-1: #1f58a5; --line-2: #994010; --track: #e4e4e4; }
  * { print-color-adjust: exact; } section, figure { break-inside: avoid; } main { padding: 0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .6rem; }
p { margin: .4rem 0; }
.headline { font-size: 1.1rem; }
.note { color: var(--faint); font-size: .9rem; }
code, pre { font: .85rem/1.45 ui-monospace, "Liberation Mono", Menlo, Consolas, monospace; }
pre, .wide { overflow-x: auto; }
pre { margin: 0; padding: .75rem .9rem; border: 1px solid var(--rule); border-radius: 4px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
th, td { padding: .28rem 1.4rem .28rem 0; text-align: left; font-weight: 400;
  border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { color: var(--faint); font-size: .85rem; }
.n { text-align: right; padding: .28rem 0 .28rem 1.6rem; white-space: nowrap; }
tbody th, .shape { white-space: nowrap; }
.pairs { display: flex; flex-wrap: wrap; gap: 0 3.5rem; }
.pairs td { overflow-wrap: anywhere; }
figure { margin: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); }
figure div { max-width: 34rem; }
svg { width: 100%; height: auto; stroke-linejoin: round; font-family: inherit; }
.layers { width: 100%; }
.layers .bar { width: 45%; min-width: 8rem; padding-right: 0; }
.track { display: block; height: .8rem; margin-top: .35rem; background: var(--track);
  border-radius: 2px; overflow: hidden; }
.track span { display: block; height: 100%; background: var(--line-1); }
@media (max-width: 40rem) { main { padding: 1rem .75rem 2rem; } table { font-size: .8rem; }
  th, td { padding-right: .6rem; } .n { padding: .28rem 0 .28rem .7rem; white-space: normal; }
  .layers .bar { min-width: 3rem; } }
"""
