/** Look of the fleet report, light and dark. Colours are told apart by people who see few of them (Okabe and Ito, 2008), lightened on dark. */
export const reportStyle = `
:root{--ink:#1c2430;--soft:#5a6575;--paper:#fff;--card:#f6f8fa;--line:#dde2e9;--c1:#0072b2;--c2:#c75300;--c3:#00805a;--c4:#9a5b8a;--good:#0a6b3d;--goodback:#e3f4ea;--bad:#a3220f;--badback:#fbe6e2}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a0aab8;--paper:#12161c;--card:#1b2129;--line:#323b47;--c1:#56b4e9;--c2:#f0913a;--c3:#35c796;--c4:#d79bc6;--good:#7fdba8;--goodback:#12301f;--bad:#ff9d8a;--badback:#3d1a14}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.8rem 0 .5rem}p{margin:.4rem 0;max-width:60rem}
header p{color:var(--soft)}
.verdict{padding:.6rem .9rem;border-radius:8px;max-width:none;margin:1rem 0}
.verdict.good{background:var(--goodback);color:var(--good)}.verdict.bad{background:var(--badback);color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;margin:1rem 0}
.cards div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
.cards b{display:block;font-size:1.5rem;line-height:1.3}.cards span{color:var(--soft);font-size:.82rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem .8rem .5rem}
figcaption{font-weight:600;font-size:.92rem;display:flex;flex-wrap:wrap;justify-content:space-between;gap:.2rem .8rem;padding-bottom:.3rem}
.legend{display:flex;flex-wrap:wrap;gap:.2rem .8rem;font-weight:400;font-size:.82rem;color:var(--soft)}
.key{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin-right:.35em;background:currentColor}
svg{width:100%;height:auto;display:block;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}
.rung{stroke:var(--line)}.base{stroke:var(--soft)}.level{stroke:var(--soft);stroke-dasharray:4 3}
.line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}.area{fill:currentColor;opacity:.16}.bar,.dot{fill:currentColor}
.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}
.none{color:var(--soft);padding:2rem 0;text-align:center}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{border-bottom:1px solid var(--line);padding:.35rem .8rem;text-align:right;white-space:nowrap}th{color:var(--soft);font-weight:600}
th:first-child,td:first-child{text-align:left;padding-left:0}.pass{color:var(--good)}.fail{color:var(--bad);font-weight:700}
.events{display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.2rem 1.5rem;font-size:.88rem}
.events div{display:flex;justify-content:space-between;border-bottom:1px solid var(--line);padding:.2rem 0}.events span{color:var(--soft);overflow-wrap:anywhere}.events b{font-weight:600}
footer{margin-top:2rem;color:var(--soft);font-size:.82rem;overflow-wrap:anywhere}code{background:var(--card);padding:.15rem .4rem;border-radius:4px}
@media print{body{background:#fff}figure{break-inside:avoid}}`;
