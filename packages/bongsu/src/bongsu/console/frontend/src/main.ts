import "uplot/dist/uPlot.min.css";
import "./style/index.css";
import "htmx.org";
import { keepElapsed } from "./elapsed";
import { openTargets } from "./evidence";
import { applyFilters, resetForms } from "./filters";
import { followChanges } from "./live";
import { cycleTheme } from "./theme";

async function drawCharts(): Promise<void> {
  if (document.querySelector("[data-charts]") === null) return;
  const { Charts } = await import("./charts");
  const charts = new Charts();
  await charts.refresh();
  document.addEventListener("htmx:after:swap", () => void charts.refresh());
}

/** A refused form leaves the page as it is; a person still has to learn of it. */
function tellFailures(): void {
  const status = document.querySelector<HTMLElement>("[data-failure]");
  if (status === null) return;
  const tell = (): void => {
    status.hidden = false;
  };
  document.addEventListener("htmx:response:error", tell);
  document.addEventListener("htmx:error", tell);
  document.addEventListener("htmx:after:swap", () => {
    status.hidden = true;
  });
}

cycleTheme();
keepElapsed();
openTargets();
applyFilters();
resetForms();
followChanges();
tellFailures();
void drawCharts();
