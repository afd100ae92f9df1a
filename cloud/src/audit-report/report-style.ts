/** How the report looks, in the light and in the dark. */
export const reportStyle = `
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5a6575;--paper:#fff;--rule:#d5dbe3;--mark:#fdecc8;--code:#eef1f5;--blue:#1c5fa8;--bar:#e08a3c;--weak:#c9d0d9}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--dim:#a3adba;--paper:#14181e;--rule:#39424f;--mark:#4a3a17;--code:#242b35;--blue:#78b2ef;--bar:#d98a45;--weak:#56606d}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:64rem;padding:1.5rem;color:var(--ink);background:var(--paper);overflow-wrap:break-word}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.4rem 0}
.headlines{display:flex;gap:1rem;flex-wrap:wrap;margin:1rem 0}
.headlines div{border:1px solid var(--rule);border-radius:8px;padding:.8rem 1.2rem;min-width:13rem}
.headlines b{display:block;font-size:2rem;line-height:1.2}
table{border-collapse:collapse;margin:.5rem 0;font-size:.9rem}
th,td{border-bottom:1px solid var(--rule);padding:.3rem .7rem;text-align:right}
th:first-child,td:first-child{text-align:left}tr.worst td{background:var(--mark)}
.wide,.grid{overflow-x:auto}.grid td{padding:2px;border:0}.grid td:first-child{padding-right:1rem;white-space:nowrap}
.grid img{image-rendering:pixelated;display:block}.grid polyline{fill:none;stroke:var(--blue);stroke-width:1}.grid rect{fill:var(--blue)}
.grid th{font-size:.75rem;font-weight:400;text-align:center;border:0;padding:2px;max-width:84px;overflow-wrap:anywhere}
.grid .group td{padding-top:.7rem}.grid .free td{opacity:.75}
.chart{max-width:100%;height:auto;font:11px system-ui,sans-serif;fill:var(--ink)}.chart line{stroke:var(--rule)}
.chart .zero{stroke:var(--dim)}.chart circle{fill:var(--blue)}.chart polyline{fill:none;stroke:var(--blue);stroke-width:1.5}
.chart .bar{fill:var(--bar)}.chart .weak{fill:var(--weak)}.chart .free{stroke:var(--ink);stroke-width:2}.chart .anchor{stroke:var(--dim);stroke-dasharray:3 3}
.note{background:var(--mark);padding:.5rem .8rem;border-radius:6px}code{background:var(--code);padding:.1rem .3rem;overflow-wrap:anywhere}
dt{font-weight:600;margin-top:.6rem}dd{margin:0}footer{margin-top:2rem;color:var(--dim);font-size:.85rem}`;
