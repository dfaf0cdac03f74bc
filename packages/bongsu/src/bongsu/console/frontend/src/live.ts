import htmx from "htmx.org";

const SETTLE_MS = 250;
const POLL_MS = 10_000;
const RETRY_MS = 15_000;

type State = "live" | "polling";

/** Refreshes the parts of a page that show an incident when it changes; polls while the stream is down. */
export function followChanges(): void {
  const parts = document.querySelectorAll<HTMLElement>("[data-live]");
  if (parts.length === 0) return;
  let pending: ReturnType<typeof setTimeout> | undefined;
  let polling: ReturnType<typeof setInterval> | undefined;

  const refresh = (): void => {
    pending = undefined;
    for (const part of document.querySelectorAll<HTMLElement>("[data-live]")) htmx.trigger(part, "bongsu:refresh");
  };
  const soon = (): void => {
    pending ??= setTimeout(refresh, SETTLE_MS);
  };
  const show = (state: State): void => {
    const mark = document.querySelector<HTMLElement>("[data-connection]");
    if (mark === null || mark.dataset["connection"] === state) return;
    mark.dataset["connection"] = state;
    mark.title = mark.dataset[state === "live" ? "sayLive" : "sayPolling"] ?? "";
    mark.setAttribute("aria-label", mark.title);
  };
  const poll = (on: boolean): void => {
    if (on) polling ??= setInterval(refresh, POLL_MS);
    else {
      clearInterval(polling);
      polling = undefined;
    }
  };

  let opened = false;
  const connect = (): void => {
    const stream = new EventSource("/live");
    stream.addEventListener("open", () => {
      show("live");
      poll(false);
      // What changed while nobody listened.
      if (opened) soon();
      opened = true;
    });
    stream.addEventListener("changed", (event) => {
      const id = String((event as MessageEvent<string>).data);
      for (const part of document.querySelectorAll<HTMLElement>("[data-live]")) {
        if (part.dataset["live"] === "" || part.dataset["live"] === id) return soon();
      }
    });
    stream.addEventListener("error", () => {
      show("polling");
      poll(true);
      if (stream.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
    });
    addEventListener("pagehide", () => stream.close(), { once: true });
  };
  connect();
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}
