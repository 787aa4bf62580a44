// The words on the page that stand out too little from what is behind them: below 4.5 to 1 (WCAG 2.1, 1.4.3).
() => {
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const style = getComputedStyle(e), c = rgb(style.backgroundColor);
      if (style.backgroundImage !== "none") return null;
      if (c.length < 4 || c[3] > 0) return c;
    }
  };
  const found = new Set();
  for (const e of document.querySelectorAll("body *:not(svg *, script, option, .skip, .unseen)")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
    const back = behind(e);
    if (!back) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.add(`${e.className || e.tagName} ${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 30)}`);
  }
  return [...found];
}
