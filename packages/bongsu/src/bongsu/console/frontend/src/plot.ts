import uPlot from "uplot";
import type { Spec } from "./charts";
import { say } from "./units";

interface Palette {
  muted: string;
  line: string;
  fire: string;
  shade: string;
  marker: string;
  series: string[];
  font: string;
}

const SERIES = ["--c0", "--c1", "--c2", "--c3", "--c4", "--c5"];

/** What the style sheet's variables come to in the present theme. */
function palette(beside: HTMLElement): Palette {
  const probe = document.createElement("span");
  probe.hidden = true;
  beside.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    muted: read("--muted"),
    line: read("--grid"),
    fire: read("--fire"),
    shade: read("--shade"),
    marker: read("--marker"),
    series: SERIES.map(read),
    font: getComputedStyle(beside).fontFamily,
  };
  probe.remove();
  return found;
}

export function options(
  spec: Spec,
  figure: HTMLElement,
  size: { width: number; height: number },
  read: (u: uPlot) => void,
): uPlot.Options {
  const colours = palette(figure);
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: spec.timezone, hour: "2-digit", minute: "2-digit" });
  const axis: uPlot.Axis = {
    stroke: colours.muted,
    font: `12px ${colours.font}`,
    grid: { stroke: colours.line, width: 1 },
    ticks: { show: false },
  };
  return {
    ...size,
    padding: [12, 22, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "incident" }, points: { size: 7 }, drag: { x: false, y: false } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), spec.timezone),
    scales: { y: { range: (_u, low, high) => bounds(low, high, spec.threshold) } },
    series: [{}, ...spec.series.map((series, index) => line(series.role, colours.series[index % SERIES.length] ?? ""))],
    axes: [
      { ...axis, size: 28, gap: 6, space: 70, values: (_u, ticks) => ticks.map((at) => clock.format(at * 1e3)) },
      { ...axis, size: 62, gap: 6, values: (_u, ticks) => ticks.map((value) => say(value, spec.unit)) },
    ],
    hooks: {
      drawClear: [(u) => shade(u, spec, colours)],
      draw: [
        (u) => threshold(u, spec, colours),
        (u) => markers(u, spec, colours),
      ],
      setCursor: [read],
      ready: [read],
    },
  };
}

function line(role: "main" | "context", colour: string): uPlot.Series {
  return {
    stroke: colour,
    width: role === "main" ? 2.25 : 1.25,
    points: { show: false },
    ...(role === "context" ? { dash: [5, 4] } : {}),
  };
}

function bounds(low: number | null, high: number | null, limit: number | null): [number, number] {
  const top = Math.max(high ?? 0, limit ?? 0);
  return [Math.min(0, low ?? 0), top > 0 ? top * 1.12 : 1];
}

function shade(u: uPlot, spec: Spec, colours: Palette): void {
  if (spec.shade === null) return;
  const { left, top, width, height } = u.bbox;
  const clamp = (x: number): number => Math.min(left + width, Math.max(left, x));
  const from = clamp(u.valToPos(spec.shade[0], "x", true));
  const to = spec.shade[1] === null ? left + width : clamp(u.valToPos(spec.shade[1], "x", true));
  u.ctx.save();
  u.ctx.fillStyle = colours.shade;
  u.ctx.fillRect(from, top, Math.max(1, to - from), height);
  u.ctx.restore();
}

function threshold(u: uPlot, spec: Spec, colours: Palette): void {
  if (spec.threshold === null) return;
  const { left, width } = u.bbox;
  const y = u.valToPos(spec.threshold, "y", true);
  const { ctx } = u;
  ctx.save();
  stroke(ctx, colours.fire, [6, 4], [left, y], [left + width, y]);
  write(ctx, say(spec.threshold, spec.unit), colours.fire, colours.font, left + 6 * uPlot.pxRatio, y - 4 * uPlot.pxRatio);
  ctx.restore();
}

function markers(u: uPlot, spec: Spec, colours: Palette): void {
  const { left, top, width, height } = u.bbox;
  const { ctx } = u;
  ctx.save();
  for (const marker of spec.markers) {
    const x = u.valToPos(marker.at, "x", true);
    if (x < left || x > left + width) continue;
    stroke(ctx, colours.marker, [2, 3], [x, top], [x, top + height]);
    const size = 5 * uPlot.pxRatio;
    ctx.fillStyle = colours.marker;
    ctx.beginPath();
    ctx.moveTo(x, top + size * 1.6);
    ctx.lineTo(x - size, top);
    ctx.lineTo(x + size, top);
    ctx.fill();
    caption(u, marker.label, colours, x);
  }
  ctx.restore();
}

/** The marker's words, on the side that has room for them; none where neither has. */
function caption(u: uPlot, label: string, colours: Palette, x: number): void {
  const { left, top, width } = u.bbox;
  const { ctx } = u;
  ctx.font = scaled(colours.font);
  const text = label.length > 40 ? `${label.slice(0, 39)}…` : label;
  const wide = ctx.measureText(text).width;
  const gap = 8 * uPlot.pxRatio;
  const at = x - gap - wide >= left ? x - gap - wide : x + gap;
  if (at + wide <= left + width) write(ctx, text, colours.marker, colours.font, at, top + 11 * uPlot.pxRatio);
}

function stroke(
  ctx: CanvasRenderingContext2D,
  colour: string,
  dash: number[],
  from: [number, number],
  to: [number, number],
): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5 * uPlot.pxRatio;
  ctx.setLineDash(dash.map((length) => length * uPlot.pxRatio));
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

function write(ctx: CanvasRenderingContext2D, text: string, colour: string, font: string, x: number, y: number): void {
  ctx.font = scaled(font);
  ctx.fillStyle = colour;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  ctx.fillText(text, x, y);
}

function scaled(font: string): string {
  return `${12 * uPlot.pxRatio}px ${font}`;
}
