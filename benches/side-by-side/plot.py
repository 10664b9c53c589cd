"""One SVG with a bar for each contender in each story: requests a second against nginx. Light or dark as the reader's page is."""
from xml.sax.saxutils import escape

LEFT, WIDTH, BAR, GAP, TOP = 240, 430, 14, 20, 64


def svg(stories, contenders, title, note):
    """`stories`: (name, {contender: ratio})."""
    most = max([1.0, *(ratio for _, ratios in stories for ratio in ratios.values())]) * 1.05
    x = lambda ratio: LEFT + WIDTH * ratio / most
    y, parts = TOP, []
    for name, ratios in stories:
        height = BAR * len(ratios)
        parts.append(f'<text class="name" x="{LEFT - 10}" y="{y + height / 2 + 4:.0f}" text-anchor="end">{escape(name)}</text>')
        for contender, ratio in ratios.items():
            kind = list(contenders).index(contender)
            parts.append(f'<rect class="c{kind}" x="{LEFT}" y="{y + 1}" width="{x(ratio) - LEFT:.1f}" height="{BAR - 2}" rx="2"><title>{escape(contender)}: {ratio:.2f}</title></rect>')
            parts.append(f'<text class="value" x="{x(ratio) + 5:.1f}" y="{y + BAR - 3}">{ratio:.2f}</text>')
            y += BAR
        y += GAP
    one = f'<line class="one" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{TOP - 6}" y2="{y - GAP + 6}"/>'
    legend, at = [], 16
    for kind, contender in enumerate(name.split(",")[0] for name in contenders):
        legend.append(f'<rect class="c{kind}" x="{at}" y="36" width="10" height="10" rx="2"/><text class="value" x="{at + 15}" y="45">{escape(contender)}</text>')
        at += 36 + 6.5 * len(contender)
    return f'''<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 60} {y + 16}" role="img" aria-label="{escape(title)}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #1f2328; }} .value {{ font-size: 11px; fill: #59636e; }} .title {{ font-size: 14px; font-weight: 600; }}
.one {{ stroke: #59636e; stroke-dasharray: 3 3; }} .c0 {{ fill: #8c959f; }} .c1 {{ fill: #bc8f3f; }} .c2 {{ fill: #5b8fc7; }} .c3 {{ fill: #2f7d5b; }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }} .value {{ fill: #9198a1; }} .one {{ stroke: #9198a1; }} .c0 {{ fill: #6e7681; }} .c1 {{ fill: #d2a455; }} .c2 {{ fill: #79b0ea; }} .c3 {{ fill: #4fb286; }}
}}
</style>
<text class="title" x="16" y="22">{escape(title)}</text>
{"".join(legend)}
{one}
{chr(10).join(parts)}
<text class="value" x="16" y="{y + 4}">{escape(note)}</text>
</svg>
'''
