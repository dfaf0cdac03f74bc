const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function plain(value: number): string {
  return Math.abs(value) >= 100 ? whole.format(value) : digits.format(value);
}

function seconds(value: number): string {
  const size = Math.abs(value);
  if (size >= 3_600) return `${plain(value / 3_600)} h`;
  if (size >= 120) return `${plain(value / 60)} min`;
  if (size >= 0.9995 || size === 0) return `${plain(value)} s`;
  return size >= 0.000_999_5 ? `${plain(value * 1e3)} ms` : `${plain(value * 1e6)} µs`;
}

function bytes(value: number): string {
  let scaled = value;
  for (const name of ["B", "KiB", "MiB", "GiB"]) {
    if (Math.abs(scaled) < 1_000) return `${plain(scaled)} ${name}`;
    scaled /= 1_024;
  }
  return `${plain(scaled)} TiB`;
}

/** A value in base units as people read it on an axis. */
export function say(value: number, unit: string): string {
  switch (unit) {
    case "ratio":
      return `${plain(value * 100)}%`;
    case "s":
      return seconds(value);
    case "bytes":
      return bytes(value);
    case "bytes_per_second":
      return `${bytes(value)}/s`;
    case "per_second":
      return `${plain(value)}/s`;
    case "celsius":
      return `${plain(value)} °C`;
    default:
      return plain(value);
  }
}
