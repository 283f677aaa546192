"""The loss curves of tools/variants.sh as one picture: a small panel for each variant, beside the base in grey.

    python3 tools/curves.py build/variants > variants.svg        (standard library only)

A curve is the mean over the seeds of the training loss in metrics.csv, smoothed over 5 rows."""
import csv
import glob
import html
import os
import sys

WIDTH, HEIGHT, COLUMNS = 190, 120, 5
LOW, HIGH = 1.4, 3.0  # nats per character


def curve(path):
    """(step, loss) of one metrics.csv."""
    with open(path, newline="") as f:
        return [(float(r["step"]), float(r["loss"])) for r in csv.DictReader(f) if r["loss"]]


def mean_curve(paths):
    """Mean over files, step by step, then over 5 neighbours."""
    runs = [dict(curve(p)) for p in paths]
    steps = sorted(set.intersection(*[set(r) for r in runs]))
    losses = [sum(r[s] for r in runs) / len(runs) for s in steps]
    smooth = [sum(losses[max(0, i - 4):i + 1]) / len(losses[max(0, i - 4):i + 1]) for i in range(len(losses))]
    return list(zip(steps, smooth))


def line(points, kind):
    """One polyline in panel coordinates; losses beyond the frame are held at its edge."""
    most = max(s for s, _ in points)
    place = []
    for s, v in points:
        y = (HIGH - min(max(v, LOW), HIGH)) / (HIGH - LOW)
        place.append(f"{s / most * (WIDTH - 30):.1f},{18 + y * (HEIGHT - 40):.1f}")
    return f'<polyline class="{kind}" points="{" ".join(place)}"/>'


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "build/variants"
    files = {}
    for path in sorted(glob.glob(os.path.join(directory, "*.csv"))):
        files.setdefault(os.path.basename(path).rsplit("-", 1)[0], []).append(path)
    if "base" not in files:
        sys.exit(f"{directory}: no base-SEED.csv; run tools/variants.sh first")
    base = mean_curve(files.pop("base"))
    rows = (len(files) + COLUMNS - 1) // COLUMNS
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH + 20} {rows * HEIGHT + 30}" '
          'font-family="sans-serif" font-size="11">'
          "<style>polyline{fill:none;stroke-width:1.3}.base{stroke:#999}.it{stroke:#c0392b}"
          "text{fill:#333}.tick{fill:#888;font-size:9px}line{stroke:#ddd}</style>"
          f'<rect width="100%" height="100%" fill="#fff"/><text x="10" y="18">Training loss, nats per character '
          f"({LOW} to {HIGH}), against the base in grey</text>")
    for i, (name, paths) in enumerate(sorted(files.items())):
        points = mean_curve(paths)
        x, y = 14 + i % COLUMNS * WIDTH, 26 + i // COLUMNS * HEIGHT
        print(f'<g transform="translate({x},{y})"><text x="0" y="12">{html.escape(name)}</text>'
              f'<line x1="0" y1="{HEIGHT - 22}" x2="{WIDTH - 30}" y2="{HEIGHT - 22}"/>'
              f'<text class="tick" x="{WIDTH - 30}" y="{HEIGHT - 10}" text-anchor="end">'
              f"step {points[-1][0]:.0f}: {points[-1][1]:.3f} ({points[-1][1] - base[-1][1]:+.3f})</text>"
              + line(base, "base") + line(points, "it") + "</g>")
    print("</svg>")


main()
