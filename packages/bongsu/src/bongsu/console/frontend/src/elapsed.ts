const EVERY_MS = 5_000;
const SIZES: readonly [number, string, string][] = [
  [86_400, " d", "일"],
  [3_600, " h", "시간"],
  [60, " min", "분"],
  [1, " s", "초"],
];

/** The two largest parts, in the words that the server uses: "3 min 12 s", "3분 12초". */
export function duration(seconds: number, language: string): string {
  let rest = Math.max(0, Math.round(seconds));
  const parts: string[] = [];
  for (const [size, en, ko] of SIZES) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || parts.length > 0) parts.push(count > 0 ? `${count}${language === "ko" ? ko : en}` : "");
  }
  return parts.slice(0, 2).filter(Boolean).join(" ") || (language === "ko" ? "0초" : "0 s");
}

/** Keeps every `data-elapsed-since` (Unix seconds) saying how long ago that was, by the server's clock. */
export function keepElapsed(): void {
  const root = document.documentElement;
  const served = Number(root.dataset["now"] ?? Number.NaN);
  const skew = Number.isFinite(served) ? served - Date.now() / 1000 : 0;
  const update = (): void => {
    const now = Date.now() / 1000 + skew;
    for (const element of document.querySelectorAll<HTMLElement>("[data-elapsed-since]")) {
      const said = duration(now - Number(element.dataset["elapsedSince"]), root.lang);
      if (element.textContent !== said) element.textContent = said;
    }
  };
  setInterval(update, EVERY_MS);
  document.addEventListener("htmx:after:swap", update);
}
