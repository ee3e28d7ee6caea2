/** Percentiles and tables of benchmarks. */

/** One measured quantity; the unit is the caller's. */
export interface Summary {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly n: number;
}

/** The nearest-rank percentile. @throws RangeError without any value */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((one, other) => one - other);
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new RangeError('nothing was measured');
  return value;
};

/** Median, 99th percentile and maximum, rounded to a tenth. */
export const summarize = (values: readonly number[]): Summary => ({
  p50: round(percentile(values, 0.5)),
  p99: round(percentile(values, 0.99)),
  max: round(percentile(values, 1)),
  n: values.length,
});

/** To one decimal, or as many as asked for. */
export const round = (value: number, decimals = 1): number => Math.round(value * 10 ** decimals) / 10 ** decimals;

/** Rows as a table for a terminal: the first column to the left, all others to the right. */
export const renderTable = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const renderLine = (line: readonly string[]): string =>
    widths.map((width, column) => (column === 0 ? (line[column] ?? '').padEnd(width) : (line[column] ?? '').padStart(width))).join('  ');
  return lines.map(renderLine).join('\n');
};
