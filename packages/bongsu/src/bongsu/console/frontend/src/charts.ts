import uPlot from "uplot";
import { options } from "./plot";
import { say } from "./units";

export interface Series {
  label: string;
  times: number[];
  values: (number | null)[];
  role: "main" | "context";
}

export interface Spec {
  title: string;
  unit: string;
  series: Series[];
  threshold: number | null;
  shade: [number, number | null] | null;
  markers: { at: number; label: string }[];
  timezone: string;
  language: string;
}

const LIVE_MS = 5_000;

/** The plots of one page, each in the figure that the server laid out for it. */
export class Charts {
  private plots: uPlot[] = [];
  private version = "";
  private specs: Spec[] = [];

  constructor() {
    document.body.addEventListener("bongsu:theme", () => this.draw());
    setInterval(() => void this.follow(), LIVE_MS);
    const resized = new ResizeObserver(() => this.fit());
    resized.observe(document.documentElement);
  }

  /** Asks for the data again when the server says that they are newer than those shown. */
  async refresh(): Promise<void> {
    const section = document.querySelector<HTMLElement>("[data-charts]");
    const version = section?.dataset["version"] ?? "";
    if (section === null || version === this.version) return;
    this.version = version;
    this.specs = (await ask(section)) ?? this.specs;
    this.draw();
  }

  /** While the incident is open its lines grow; a change of what is drawn waits for the page's own refresh. */
  private async follow(): Promise<void> {
    const section = document.querySelector<HTMLElement>("[data-charts][data-open]");
    if (section === null || document.hidden) return;
    const specs = await ask(section);
    if (specs === undefined || labels(specs) !== labels(this.specs)) return;
    this.specs = specs;
    this.draw();
  }

  private draw(): void {
    for (const plot of this.plots) plot.destroy();
    this.plots = [];
    const figures = document.querySelectorAll<HTMLElement>("[data-charts] [data-plot]");
    figures.forEach((figure, index) => {
      const spec = this.specs[index];
      const canvas = figure.querySelector<HTMLElement>(".plot-canvas");
      if (spec !== undefined && canvas !== null) this.plots.push(plot(spec, figure, canvas));
    });
  }

  private fit(): void {
    for (const plot of this.plots) {
      const room = plot.root.parentElement;
      if (room !== null && room.clientWidth !== plot.width) {
        plot.setSize({ width: room.clientWidth, height: room.clientHeight });
      }
    }
  }
}

async function ask(section: HTMLElement): Promise<Spec[] | undefined> {
  const answer = await fetch(section.dataset["charts"] ?? "", { headers: { accept: "application/json" } });
  return answer.ok ? ((await answer.json()) as Spec[]) : undefined;
}

function labels(specs: Spec[]): string {
  return JSON.stringify(specs.map((spec) => [spec.title, ...spec.series.map((series) => series.label)]));
}

function newest(values: ArrayLike<number | null | undefined> | undefined): number | undefined {
  for (let i = (values?.length ?? 0) - 1; i >= 0; i--) {
    const value = values?.[i];
    if (value != null) return value;
  }
  return undefined;
}

function plot(spec: Spec, figure: HTMLElement, canvas: HTMLElement): uPlot {
  const tables = spec.series.map((series) => [series.times, series.values] as uPlot.AlignedData);
  const data = tables.length > 1 ? uPlot.join(tables) : (tables[0] ?? [[]]);
  const readings = figure.querySelectorAll<HTMLElement>("[data-reading]");
  const read = (u: uPlot): void => {
    const at = u.cursor.idx;
    readings.forEach((reading, index) => {
      const values = u.data[index + 1];
      const value = at == null ? newest(values) : values?.[at];
      reading.textContent = value == null ? "–" : say(value, spec.unit);
    });
  };
  const size = { width: canvas.clientWidth, height: canvas.clientHeight };
  return new uPlot(options(spec, figure, size, read), data, canvas);
}
