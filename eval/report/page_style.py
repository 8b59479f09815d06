"""How pages of evaluations look, in light and in dark."""

from __future__ import annotations

from typing import Final

from eval.report.rollup import RESOURCES

LIGHT: Final = {
    "back": "#ffffff",
    "ink": "#1d2229",
    "soft": "#eef1f4",
    "line": "#c5ccd4",
    "muted": "#55606c",
    "link": "#1a5fa8",
    "flag": "#a63200",
    "heat": "#e9913f",
    "high": "#1f66b0",
    "mid": "#2c7f3f",
    "low": "#b8501a",
    "outside": "#7d4fa3",
    "unknown": "#5c6670",
}
DARK: Final = {
    "back": "#14181d",
    "ink": "#e4e8ec",
    "soft": "#222931",
    "line": "#434d58",
    "muted": "#a3afbb",
    "link": "#7db8f5",
    "flag": "#ff9a66",
    "heat": "#a8551d",
    "high": "#6fb1f2",
    "mid": "#68c57c",
    "low": "#f0935a",
    "outside": "#c39be6",
    "unknown": "#9aa5b0",
}
CLASSES: Final = dict(zip(RESOURCES, ("high", "mid", "low", "outside", "unknown"), strict=True))
HEATS: Final = 7
TEXTS: Final = 8  # at most so many columns of words before those of numbers


def _colours(values: dict[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in values.items())


STYLE: Final = (
    f":root{{{_colours(LIGHT)}}}\n@media (prefers-color-scheme:dark){{:root{{{_colours(DARK)}}}}}\n"
    """
*{box-sizing:border-box}
body{background:var(--back);color:var(--ink);margin:1rem auto;max-width:76rem;overflow-wrap:break-word}
a{color:var(--link)} h2{border-top:2px solid var(--line);padding-top:1rem} h3{font-size:1.05rem;margin:1.8rem 0 .4rem}
h4{font-size:.95rem;margin:1rem 0 .3rem} p,li{max-width:60rem}
.muted{color:var(--muted)} .flag{color:var(--flag);font-weight:600}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;margin:.3rem 0;list-style:none}
dl.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1rem 1rem;margin:.6rem 0}
@media (max-width:40rem){dl.facts{grid-template-columns:minmax(0,1fr)}}
dl.facts dt{color:var(--muted)} dl.facts dd{margin:0;overflow-wrap:anywhere}
.box{overflow:auto;font-size:.92em;max-height:30rem;border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0}
:focus-visible{outline:2px solid var(--link);outline-offset:1px}
.box table{width:max-content;min-width:100%}
.box th,.box td{padding:.15rem .6rem;white-space:nowrap;font-variant-numeric:tabular-nums}
.box td.wrap{white-space:normal;min-width:14rem}
.box tbody tr:nth-child(even){background:color-mix(in srgb,var(--soft) 55%,var(--back))}
.box thead th{position:sticky;top:0;background:var(--soft);z-index:2;border-bottom:1px solid var(--line)}
.box td:first-child,.box th:first-child{position:sticky;left:0;background:var(--back);z-index:1}
.box tbody tr:nth-child(even) td:first-child{background:color-mix(in srgb,var(--soft) 55%,var(--back))}
.box thead th:first-child{z-index:3;background:var(--soft)}
th button{all:unset;cursor:pointer;font-weight:600} th button:hover{text-decoration:underline}
th[aria-sort=ascending] button::after{content:" ▲"} th[aria-sort=descending] button::after{content:" ▼"}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 1.2rem}
.pair>*{min-width:0}
.search{position:sticky;top:0;z-index:5;background:var(--back);padding:.5rem 0;border-bottom:1px solid var(--line)}
.search input{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line);border-radius:.3rem}
.search input{padding:.3rem .5rem;width:min(100%,26rem)}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0;font-size:.9rem}
.key i{margin:0 .35rem 0 0;border-radius:50%}
.task{content-visibility:auto;contain-intrinsic-size:auto 60rem} summary{cursor:pointer;padding:.2rem 0}
code,pre{font:.85rem/1.5 ui-monospace,monospace} code{overflow-wrap:anywhere} pre{margin:0;padding:.4rem .6rem}
@media (max-width:40rem){.box{font-size:.8rem} .box th,.box td{padding:.15rem .4rem} body{padding:0 .6rem}}
svg{display:block} pre.names{writing-mode:vertical-lr;padding:0 0 .4rem;font-size:11px}
svg .grid{stroke:var(--line)} svg .zero{stroke:var(--ink)} svg .mean{stroke:var(--ink);stroke-dasharray:4 3}
svg .whisker{stroke-width:1.6;fill:none} svg .dot{stroke-width:7;stroke-linecap:round;fill:none}
"""
    + "".join(
        f"svg .{name}{{stroke:var(--{name})}}.key .{name}{{background:var(--{name})}}" for name in CLASSES.values()
    )
    + "".join(
        f".h{step}{{background:color-mix(in srgb,var(--heat) {step * 10}%,var(--back))}}" for step in range(HEATS)
    )
    + "".join(
        f".t{count} th:nth-child(n+{count + 1}),.t{count} td:nth-child(n+{count + 1}){{text-align:end}}"
        for count in range(1, TEXTS + 1)
    )
)
