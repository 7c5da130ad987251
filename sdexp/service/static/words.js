// Numbers, times and verdicts for a person, as the reports write them.

const WHEN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function digitsOf(value) {
  const size = Math.abs(value);
  if (size > 0 && size < 0.01) return 5;
  if (size >= 100) return 1;
  return size >= 10 ? 2 : 3;
}

export function number(value) {
  return value === null || value === undefined ? "-" : value.toFixed(digitsOf(value));
}

export function signed(value) {
  if (value === null || value === undefined) return "-";
  return value > 0 ? `+${number(value)}` : number(value);
}

export function interval(bounds, write = number) {
  return bounds ? `${write(bounds[0])} to ${write(bounds[1])}` : "no interval";
}

export function count(amount, one, many = `${one}s`) {
  return `${amount} ${amount === 1 ? one : many}`;
}

export function when(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? String(iso ?? "-") : WHEN.format(date);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "-";
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

export function percent(share) {
  return share === null || share === undefined ? "-" : `${Math.round(share * 100)}\u00a0%`;
}

/** The class that colours a verdict: its first word, as in the reports. */
export function verdictClass(verdict) {
  return verdict.split(" ")[0];
}

/** A file's name out of anything a model may be called. */
export function fileName(...parts) {
  return parts.join("_").replace(/[^\w.@~-]+/g, "-");
}
