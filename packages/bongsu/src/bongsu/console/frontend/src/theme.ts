import htmx from "htmx.org";

type Theme = "auto" | "light" | "dark";

/** From auto first to what the device does not show, so that every press shows a change. */
function following(theme: string | undefined): Theme {
  const device: Theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const other: Theme = device === "dark" ? "light" : "dark";
  if (theme === other) return device;
  return theme === device ? "auto" : other;
}

/** Changes the theme at once; the form behind the button makes it last, and works without this script. */
export function cycleTheme(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-theme-form]");
  const button = form?.querySelector<HTMLButtonElement>("button[name=theme]");
  if (form == null || button == null) return;
  const root = document.documentElement;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const theme = following(root.dataset["theme"]);
    root.dataset["theme"] = theme;
    button.title = button.dataset[theme] ?? "";
    button.setAttribute("aria-label", button.title);
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    body.set("theme", theme);
    void fetch(form.action, { method: "POST", body, redirect: "manual" });
    htmx.trigger(document.body, "bongsu:theme");
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    htmx.trigger(document.body, "bongsu:theme");
  });
}
