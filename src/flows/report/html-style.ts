/** The report's style sheet: light and dark, phone and print, no fonts or images from anywhere. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #f7f6f2; --card: #fff; --ink: #1b1f24; --soft: #5c6570; --line: #e0ddd4;
  --land: #e3e0d6; --land-edge: #f7f6f2; --home: #7d8794;
  --instructed: #15803d; --claimed: #2f6fd6; --unexplained: #c8321f; --disputed: #c98a04; --disputed-ink: #8a5d00;
  --wash-unexplained: #fdeeeb; --wash-in-doubt: #fdf5e0; --wash-clear: #e9f6ee;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101317; --card: #181c22; --ink: #e8eaed; --soft: #9aa4b0; --line: #2a3038;
    --land: #2a313a; --land-edge: #101317; --home: #8d98a5;
    --instructed: #3fb96d; --claimed: #6ea3f5; --unexplained: #f2705e; --disputed: #e3b341; --disputed-ink: #e3b341;
    --wash-unexplained: #2b1613; --wash-in-doubt: #2a220f; --wash-clear: #10241a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 64px; }
a { color: inherit; }
header { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: baseline; color: var(--soft); font-size: 14px; }
header strong { color: var(--ink); font-size: 15px; letter-spacing: .01em; }
h1 { font-size: clamp(20px, 2.7vw, 29px); line-height: 1.28; font-weight: 650; letter-spacing: -.015em; margin: 0; text-wrap: pretty; }
h2 { font-size: 20px; letter-spacing: -.01em; margin: 44px 0 14px; }
h3 { font-size: 14px; margin: 22px 0 8px; color: var(--soft); font-weight: 600; }
p { margin: 0 0 10px; max-width: 72ch; }
.soft { color: var(--soft); }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.verdict { margin-top: 18px; padding: 26px 28px 24px; border-left: 6px solid var(--instructed); background: var(--wash-clear); }
.verdict.unexplained { border-left-color: var(--unexplained); background: var(--wash-unexplained); }
.verdict.in-doubt { border-left-color: var(--disputed); background: var(--wash-in-doubt); }
.bar { display: flex; height: 14px; border-radius: 7px; overflow: hidden; background: var(--line); gap: 2px; }
.bar i { display: block; min-width: 3px; }
.verdict .bar { margin: 22px 0 16px; }
.i-instructed { background: var(--instructed); } .i-claimed { background: var(--claimed); }
.i-unexplained { background: var(--unexplained); } .i-disputed { background: var(--disputed); }
.grades { display: grid; grid-template-columns: repeat(4, 1fr); gap: 14px 22px; margin: 0; }
.grades dt { font-size: 13.5px; color: var(--soft); display: flex; align-items: center; gap: 7px; }
.grades dt i, .key i { width: 10px; height: 10px; border-radius: 3px; flex: none; display: inline-block; }
.grades dd { margin: 2px 0 0; }
.grades b { font-size: 21px; font-weight: 620; letter-spacing: -.01em; font-variant-numeric: tabular-nums; }
.grades small { display: block; color: var(--soft); font-size: 12.5px; line-height: 1.4; }
.map { padding: 10px 10px 6px; overflow: hidden; }
.map svg { display: block; width: 100%; height: auto; }
.land { fill: var(--land); stroke: var(--land-edge); stroke-width: 1.2; }
.land.to { fill: color-mix(in srgb, var(--ink) 24%, var(--land)); }
.land.from { fill: var(--home); }
.arc { fill: none; stroke-linecap: round; opacity: .75; }
.arc.doubt { stroke-dasharray: 1 13; }
.g-instructed { stroke: var(--instructed); } .g-claimed { stroke: var(--claimed); }
.g-unexplained { stroke: var(--unexplained); } .g-disputed { stroke: var(--disputed); }
.f-instructed { fill: var(--instructed); } .f-claimed { fill: var(--claimed); }
.f-unexplained { fill: var(--unexplained); } .f-disputed { fill: var(--disputed); }
.ring { fill: none; stroke: var(--card); stroke-width: 3; }
.origin { fill: var(--card); stroke: var(--ink); stroke-width: 5; }
.tag { font-size: 27px; font-weight: 600; fill: var(--ink); stroke: var(--card); stroke-width: 7; paint-order: stroke; stroke-linejoin: round; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 6px 8px 8px; font-size: 13px; color: var(--soft); }
.key span { display: inline-flex; align-items: center; gap: 7px; }
.key .hole { border-radius: 50%; border: 2.5px solid var(--ink); background: none; }
details.server { margin: 0 0 10px; }
details.server > summary {
  list-style: none; cursor: pointer; padding: 15px 18px; display: grid; gap: 4px 18px;
  grid-template-columns: minmax(0, 1.2fr) 120px minmax(110px, 1fr) auto 16px; align-items: center;
}
summary::-webkit-details-marker { display: none; }
summary:focus-visible { outline: 3px solid var(--claimed); outline-offset: 2px; border-radius: 10px; }
details.server > summary::after { content: ""; width: 8px; height: 8px; border: solid var(--soft); border-width: 0 2px 2px 0; transform: rotate(45deg) translate(-2px, -2px); justify-self: end; }
details.server[open] > summary::after { transform: rotate(-135deg) translate(-2px, -2px); }
.spark { width: 120px; height: 22px; display: block; border-bottom: 1px solid var(--line); }
.spark .all { fill: var(--home); opacity: .55; } .spark .open { fill: var(--unexplained); }
.name { font-weight: 620; overflow-wrap: anywhere; }
.name small { font-weight: 400; color: var(--soft); margin-left: 8px; white-space: nowrap; }
.inside { padding: 0 18px 18px; border-top: 1px solid var(--line); }
.finding { display: grid; grid-template-columns: 74px 1fr; gap: 2px 14px; margin: 14px 0 0; max-width: 86ch; }
.finding span { font-size: 12px; font-weight: 650; text-align: center; border-radius: 99px; padding: 2px 0; align-self: start; margin-top: 2px; border: 1.5px solid currentColor; }
.high { color: var(--unexplained); } .medium { color: var(--disputed-ink); } .low, .info { color: var(--soft); }
.finding p { margin: 0; } .finding p + p { grid-column: 2; color: var(--soft); font-size: 14.5px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th { text-align: left; font-weight: 600; font-size: 13px; color: var(--soft); padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th.num { text-align: right; } td { padding: 8px 14px 8px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; } td:last-child, th:last-child { padding-right: 0; }
td small { display: block; color: var(--soft); overflow-wrap: anywhere; }
.services td:first-child { overflow-wrap: anywhere; min-width: 130px; } .services + .services { margin-top: 22px; }
td.bad { color: var(--unexplained); font-weight: 620; } td.doubt { color: var(--disputed-ink); font-weight: 620; }
code { font: 12.5px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 20px; max-width: 78ch; } li { margin: 5px 0; }
.more { margin-top: 8px; } .more > summary { cursor: pointer; color: var(--soft); font-size: 14px; padding: 4px 0; }
footer { margin-top: 44px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13.5px; }
@media (max-width: 720px) {
  main { padding: 20px 14px 48px; }
  .verdict { padding: 20px 18px; }
  .grades { grid-template-columns: 1fr 1fr; }
  .tag { display: none; }
  details.server > summary { grid-template-columns: minmax(0, 1fr) auto 16px; padding: 13px 14px; }
  details.server > summary .bar { grid-column: 1 / -1; grid-row: 3; }
  details.server > summary .spark { grid-column: 1 / -1; grid-row: 2; width: 100%; }
  .name small { display: block; margin: 0; }
  .inside { padding: 0 14px 14px; }
  .map { padding: 4px 2px; }
  table { font-size: 13.5px; } th, td { padding-right: 9px; }
  .finding { grid-template-columns: 64px 1fr; gap: 2px 11px; }
}
@page { margin: 16mm 14mm; }
@media print {
  :root { --paper: #fff; --wash-unexplained: #fff; --wash-in-doubt: #fff; --wash-clear: #fff; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 11pt; } main { max-width: none; padding: 0; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .map, .verdict, .finding, tr, details.server > summary { break-inside: avoid; }
  h2, h3, thead, details.server > summary { break-after: avoid; }
  .card.server { border-width: 1px 0 0; border-radius: 0; } .inside { padding: 0; border: 0; } .scroll { overflow: visible; }
  summary, .more > summary { list-style: none; } details.server > summary { padding: 10px 0 4px; }
  details.server > summary::after { display: none; }
  h2 { margin-top: 26px; }
}
`
