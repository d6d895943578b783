"""A small plot of a soak, as SVG: memory, descriptors and upstream connections over time."""

WIDTH, HEIGHT, LEFT, TOP = 640, 110, 70, 24
LINES = [("rss_mib", "RSS, MiB"), ("descriptors", "descriptors"), ("upstream_connections", "upstream connections")]


def svg(samples):
    total = TOP + len(LINES) * (HEIGHT + 30)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{total}" font-family="sans-serif" font-size="12">',
        f'<rect width="{LEFT + WIDTH + 20}" height="{total}" fill="white"/>',
    ]
    end = max(sample["seconds"] for sample in samples) or 1
    for index, (key, title) in enumerate(LINES):
        top = TOP + index * (HEIGHT + 30)
        values = [sample[key] for sample in samples]
        high = max(values) * 1.2 or 1
        points = " ".join(
            f"{LEFT + sample['seconds'] / end * WIDTH:.1f},{top + HEIGHT - sample[key] / high * HEIGHT:.1f}" for sample in samples
        )
        parts += [
            f'<text x="{LEFT}" y="{top - 6}">{title}: {values[0]:g} at first, {values[-1]:g} at last, {max(values):g} at most</text>',
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>',
            f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{high:.0f}</text>',
            f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">0</text>',
            f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>',
        ]
    parts += [f'<text x="{LEFT + WIDTH}" y="{total - 6}" text-anchor="end">{end / 60:.0f} min</text>', "</svg>"]
    return "\n".join(parts) + "\n"
