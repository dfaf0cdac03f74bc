"use strict";
const list = document.getElementById("messages");
let version = Number(list.dataset.version);
const relative = new Intl.RelativeTimeFormat(navigator.language, { numeric: "auto" });
const steps = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const forms = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" },
};

function ago(at) {
  const seconds = at - Date.now() / 1000;
  const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.round(seconds / size), unit);
}

function showTimes() {
  for (const time of document.querySelectorAll("time[data-at]")) {
    const at = Number(time.dataset.at);
    const style = time.dataset.style;
    const local = (form) => new Intl.DateTimeFormat(navigator.language, form).format(new Date(at * 1000));
    time.textContent = style === "R" ? ago(at) : local(forms[style]);
    time.title = local(forms.F);
  }
  for (const time of document.querySelectorAll("time[data-iso]")) {
    time.textContent = new Date(time.dateTime).toLocaleString(navigator.language, { dateStyle: "short", timeStyle: "short" });
  }
}

async function refresh() {
  try {
    const response = await fetch(`/fragment?seen=${version}`);
    if (response.status === 200) {
      const atEnd = window.innerHeight + window.scrollY >= document.body.scrollHeight - 80;
      list.innerHTML = await response.text();
      version = Number(response.headers.get("X-Version"));
      showTimes();
      if (atEnd) window.scrollTo(0, document.body.scrollHeight);
    }
  } catch { /* The demo was stopped or restarts; the next round asks again. */ }
  setTimeout(refresh, 1000);
}

showTimes();
setInterval(showTimes, 1000);
refresh();
