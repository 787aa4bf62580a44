// Draws the charts that the page holds as JSON, in the colours of the style sheet, and spares a click or two.
"use strict";

const SYMBOL = { steady: "circle", drift: "triangle-up", not_enough_evidence: "circle-open" };
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(`--${name}`).trim();
  return Object.fromEntries(
    ["ink", "muted", "line", "surface", "accent", "drift", "steady", "unsure", "third"].map((name) => [name, get(name)]),
  );
}

function layout(c, more) {
  const axis = { gridcolor: c.line, zerolinecolor: c.line, linecolor: c.line, tickcolor: c.line, fixedrange: true, automargin: true };
  return {
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: c.muted },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 48, r: 12, t: 18, b: 32 },
    hoverlabel: { bgcolor: c.surface, bordercolor: c.line, font: { color: c.ink } },
    showlegend: false,
    dragmode: false,
    ...more,
    xaxis: { ...axis, showgrid: false, ...more.xaxis },
    yaxis: { ...axis, ...more.yaxis },
  };
}

function line(chart, c) {
  const tone = { steady: c.steady, drift: c.drift, not_enough_evidence: c.unsure };
  const value = {
    x: chart.x, y: chart.y, name: chart.name, mode: "lines+markers",
    line: { color: c.muted, width: 1.25 },
    marker: { color: chart.verdicts.map((v) => tone[v]), symbol: chart.verdicts.map((v) => SYMBOL[v]), size: 7 },
    customdata: chart.verdicts.map((v, i) => [v.replaceAll("_", " "), chart.versions[i]]),
    // No bold: Plotly makes it with a style attribute, which the content security policy refuses.
    hovertemplate: "%{x|%-d %b %Y}: %{y:.4g}<br>%{customdata[1]}, %{customdata[0]}<extra></extra>",
  };
  const baseline = {
    x: chart.x, y: chart.baseline, name: "baseline", mode: "lines", hoverinfo: "skip",
    line: { color: c.accent, width: 1.5, dash: "dash", shape: "vh" },
  };
  const shapes = chart.marks.map((m) => ({
    type: "line", x0: m.at, x1: m.at, y0: 0, y1: 1, yref: "paper", line: { color: c.accent, width: 1.5 },
  }));
  const annotations = chart.marks.map((m) => ({
    x: m.at, y: 1, yref: "paper", yanchor: "bottom", text: m.label, showarrow: false, font: { color: c.accent, size: 12 },
  }));
  return [[baseline, value], layout(c, { shapes, annotations, xaxis: { type: "date" } })];
}

function evidence(chart, c) {
  const tones = [c.accent, c.third, c.unsure];
  const multiple = (total, required) => Math.max(total / required, chart.floor);
  const traces = chart.traces.map((t, i) => ({
    x: t.x, y: t.totals.map((total) => multiple(total, t.required)), name: t.name, mode: "lines+markers",
    line: { color: tones[i], width: 1.5, shape: "hv" },
    marker: {
      color: t.totals.map((total) => (total >= t.required ? c.drift : tones[i])),
      symbol: t.totals.map((total) => (total >= t.required ? "triangle-up" : "circle")),
      size: t.totals.map((total) => (total >= t.required ? 10 : 4)),
    },
    // A name is no part of the template, in which Plotly would expand what it holds.
    customdata: t.totals.map((total, j) => [total, t.required, t.verdicts[j].replaceAll("_", " "), t.name]),
    hovertemplate: "%{x|%-d %b %Y}, %{customdata[3]}<br>%{customdata[0]:,.4~g} of %{customdata[1]:,.4~g}, %{customdata[2]}<extra></extra>",
  }));
  const shapes = [
    { type: "line", x0: 0, x1: 1, xref: "paper", y0: 1, y1: 1, line: { color: c.drift, width: 1.5, dash: "dash" } },
    ...chart.marks.map((m) => ({
      type: "line", x0: m.at, x1: m.at, y0: 0, y1: 1, yref: "paper", line: { color: c.muted, width: 1, dash: "dot" },
    })),
  ];
  const annotations = chart.marks.map((m) => ({
    x: m.at, y: 1, yref: "paper", yanchor: "bottom", text: m.label, showarrow: false, font: { color: c.muted, size: 12 },
  }));
  const yaxis = { type: "log", nticks: 6, exponentformat: "none", tickformat: "~r" };
  return [traces, layout(c, { shapes, annotations, xaxis: { type: "date" }, yaxis })];
}

function bars(chart, c) {
  const tones = [c.unsure, c.accent, c.third];
  const traces = chart.samples.map((s, i) => ({
    type: "bar", x: chart.cells, y: s.shares, name: s.name, marker: { color: tones[i] },
    customdata: s.counts.map((count) => [count, s.name]),
    hovertemplate: "%{customdata[1]}, %{x}<br>%{y:.1%} (%{customdata[0]:,} rows)<extra></extra>",
  }));
  const more = { barmode: "group", bargap: 0.25, xaxis: { type: "category" }, yaxis: { tickformat: ".0%" } };
  return [traces, layout(c, more)];
}

function draw(box) {
  const chart = JSON.parse(document.getElementById(box.dataset.chart).textContent);
  const [traces, look] = { line, bars, evidence }[chart.kind](chart, colours());
  Plotly.react(box, traces, look, { displayModeBar: false, responsive: true });
  const links = (chart.traces ?? [chart]).map((trace) => trace.links);
  if (links[0] && !box.dataset.linked) {
    box.dataset.linked = "yes";
    box.on("plotly_click", (event) => {
      const point = event.points.find((p) => p.data.customdata);
      if (point) location.assign(links[chart.traces ? point.curveNumber : 0][point.pointIndex]);
    });
  }
}

function start() {
  document.documentElement.classList.add("scripted");
  for (const form of document.querySelectorAll("form.choose")) {
    form.addEventListener("change", () => form.submit());
  }
  for (const box of document.querySelectorAll(".timeline-box")) box.scrollLeft = box.scrollWidth;
  if (!window.Plotly) return;
  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
}

start();
