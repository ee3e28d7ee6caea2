'use strict';
/**
 * The demo's algorithm: descriptive statistics and a least squares regression for every dataset it was given.
 * Plain CommonJS without dependencies: it runs as `node $ALGO` in any image that has Node.
 *
 * Reads   /data/inputs/<did>/0 for every did in DIDS (a JSON list of records), /data/inputs/algoCustomData.json
 * Writes  /data/outputs/results.json, report.txt, regression-<n>.png
 *
 * Only aggregates leave: no record of an input is written or printed.
 */
const fs = require('node:fs');
const path = require('node:path');
const zlib = require('node:zlib');

const inputs = process.env.INPUTS ?? '/data/inputs';
const outputs = process.env.OUTPUTS ?? '/data/outputs';
const log = (line) => process.stdout.write(`${line}\n`);

// ---------------------------------------------------------------- statistics

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;

const quantile = (sorted, share) => {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
};

const describeColumn = (name, values) => {
  const numbers = values.filter(isNumber);
  const sorted = numbers.toSorted((a, b) => a - b);
  const average = mean(numbers);
  return {
    name,
    count: numbers.length,
    missing: values.length - numbers.length,
    mean: average,
    deviation: Math.sqrt(sum(numbers.map((value) => (value - average) ** 2)) / Math.max(1, numbers.length - 1)),
    min: sorted[0],
    quartile1: quantile(sorted, 0.25),
    median: quantile(sorted, 0.5),
    quartile3: quantile(sorted, 0.75),
    max: sorted[sorted.length - 1],
  };
};

/** Ordinary least squares of one variable: y = intercept + slope * x. */
const fitLine = (points) => {
  const meanX = mean(points.map((p) => p.x));
  const meanY = mean(points.map((p) => p.y));
  const sxx = sum(points.map((p) => (p.x - meanX) ** 2));
  const sxy = sum(points.map((p) => (p.x - meanX) * (p.y - meanY)));
  const syy = sum(points.map((p) => (p.y - meanY) ** 2));
  const slope = sxy / sxx;
  const intercept = meanY - slope * meanX;
  const residual = sum(points.map((p) => (p.y - intercept - slope * p.x) ** 2));
  const slopeError = Math.sqrt(residual / (points.length - 2) / sxx);
  return { count: points.length, slope, intercept, rSquared: 1 - residual / syy, slopeError, tValue: slope / slopeError };
};

/** Numbers from 0 to 1 that are the same in every run (mulberry32): results can be reproduced. */
const createRandom = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

/** A 95 % interval of the slope, from resampling the points with replacement. */
const bootstrapSlope = (points, rounds, onRounds) => {
  const random = createRandom(20260101);
  const slopes = [];
  for (let round = 1; round <= rounds; round++) {
    const totals = { x: 0, y: 0, xx: 0, xy: 0 };
    for (let i = 0; i < points.length; i++) {
      const { x, y } = points[Math.floor(random() * points.length)];
      totals.x += x;
      totals.y += y;
      totals.xx += x * x;
      totals.xy += x * y;
    }
    const n = points.length;
    slopes.push((n * totals.xy - totals.x * totals.y) / (n * totals.xx - totals.x * totals.x));
    if (round % (rounds / 4) === 0) onRounds(round);
  }
  slopes.sort((a, b) => a - b);
  return { rounds, low: quantile(slopes, 0.025), high: quantile(slopes, 0.975) };
};

// ---------------------------------------------------------------- datasets

const readRecords = (did) => {
  const file = path.join(inputs, did, '0');
  const text = fs.readFileSync(file, 'utf8');
  const records = JSON.parse(text);
  if (!Array.isArray(records) || records.length === 0) throw new Error(`the dataset ${did} is not a list of records`);
  return { records, bytes: Buffer.byteLength(text) };
};

const readName = (did) => {
  try {
    const ddo = JSON.parse(fs.readFileSync(path.join(inputs, '..', 'ddos', did), 'utf8'));
    return (ddo.metadata ?? ddo.credentialSubject.metadata).name;
  } catch {
    return did.slice(0, 8);
  }
};

const numericColumns = (records) =>
  Object.keys(records[0]).filter((name) => records.filter((record) => isNumber(record[name])).length > records.length * 0.8);

/** The text column with the fewest different values (2 to 6) colours the points. */
const groupColumn = (records) =>
  Object.keys(records[0])
    .filter((name) => records.every((record) => record[name] === null || typeof record[name] === 'string'))
    .map((name) => ({ name, size: new Set(records.map((record) => record[name])).size }))
    .filter(({ size }) => size >= 2 && size <= 6)
    .toSorted((a, b) => a.size - b.size)[0]?.name;

const pairsOf = (records, x, y) => records.filter((record) => isNumber(record[x]) && isNumber(record[y]));

/** The pair of columns the consumer asked for, or the pair with the largest R squared. */
const choosePair = (records, columns, wishes) => {
  const wish = wishes.find(({ x, y }) => columns.includes(x) && columns.includes(y));
  if (wish) return wish;
  const pairs = columns.flatMap((x) => columns.filter((y) => y !== x).map((y) => ({ x, y })));
  const strength = ({ x, y }) => fitLine(pairsOf(records, x, y).map((record) => ({ x: record[x], y: record[y] }))).rSquared || 0;
  return pairs.map((pair) => ({ ...pair, strength: strength(pair) })).toSorted((a, b) => b.strength - a.strength)[0];
};

// ---------------------------------------------------------------- plot

/** 5 x 7 glyphs of ASCII 32 to 126: five columns each, lowest bit on top. */
const glyphs = Buffer.from(
  '000000000000005f00000007000700147f147f14242a7f2a12231308646236495620500008070300001c2241000041221c00' +
    '2a1c7f1c2a08083e080800807030000808080808000060600020100804023e5149453e00427f400072494949462141494d33' +
    '1814127f1027454545393c4a49493141211109073649494936464949291e0000140000004034000000081422411414141414' +
    '00412214080201590906' +
    '3e415d594e7c1211127c7f494949363e414141227f4141413e7f494949417f090909013e414151737f0808087f00417f4100' +
    '2040413f017f081422417f404040407f021c027f7f0408107f3e4141413e7f090909063e4151215e7f091929462649494932' +
    '03017f01033f4040403f1f2040201f3f4038403f631408146303047804036159494d43007f4141410204081020004141417f' +
    '04020102044040404040000307080020545478407f2844443838444444283844' +
    '44287f385454541800087e090218a4a49c787f0804047800447d40002040403d007f1028440000417f40007c047804787c08' +
    '0404783844444438fc18242418182424' +
    '18fc7c080404084854545424' +
    '04043f44243c4040207c1c2040201c3c4030403c44281028444c9090907c4464544c440008364100000077000000413608000201020402',
  'hex',
);

const palette = [
  [31, 119, 180],
  [255, 127, 14],
  [44, 160, 44],
  [148, 103, 189],
  [227, 119, 194],
  [140, 86, 75],
];
const ink = [51, 51, 51];
const oversampling = 3;

/** A canvas that draws `oversampling` times larger than it saves, so that edges come out smooth. */
const createCanvas = (width, height) => {
  const w = width * oversampling;
  const h = height * oversampling;
  const pixels = new Uint8Array(w * h * 3).fill(255);
  const put = (x, y, colour, alpha) => {
    if (x < 0 || y < 0 || x >= w || y >= h) return;
    const at = (y * w + x) * 3;
    for (let c = 0; c < 3; c++) pixels[at + c] = Math.round(pixels[at + c] * (1 - alpha) + colour[c] * alpha);
  };
  const rect = (x, y, wide, high, colour, alpha = 1) => {
    const right = Math.round((x + wide) * oversampling);
    const bottom = Math.round((y + high) * oversampling);
    for (let py = Math.round(y * oversampling); py < bottom; py++)
      for (let px = Math.round(x * oversampling); px < right; px++) put(px, py, colour, alpha);
  };
  const disc = (x, y, radius, colour, alpha = 1) => {
    const r = radius * oversampling;
    const cx = x * oversampling;
    const cy = y * oversampling;
    for (let py = Math.floor(cy - r); py <= cy + r; py++)
      for (let px = Math.floor(cx - r); px <= cx + r; px++) if ((px - cx) ** 2 + (py - cy) ** 2 <= r * r) put(px, py, colour, alpha);
  };
  const line = (x1, y1, x2, y2, colour, thickness) => {
    const steps = Math.ceil(Math.hypot(x2 - x1, y2 - y1) * oversampling);
    for (let i = 0; i <= steps; i++) disc(x1 + ((x2 - x1) * i) / steps, y1 + ((y2 - y1) * i) / steps, thickness / 2, colour);
  };
  const text = (content, x, y, { scale = 2, colour = ink, align = 'left', upward = false } = {}) => {
    const length = content.length * 6 * scale - scale;
    const back = align === 'left' ? 0 : align === 'center' ? length / 2 : length;
    [...content].forEach((character, index) => {
      const code = character.charCodeAt(0);
      const glyph = code >= 32 && code <= 126 ? code - 32 : 31;
      for (let column = 0; column < 5; column++)
        for (let row = 0; row < 8; row++) {
          if (((glyphs[glyph * 5 + column] >> row) & 1) === 0) continue;
          const along = (index * 6 + column) * scale - back;
          if (upward) rect(x + row * scale, y - along - scale, scale, scale, colour);
          else rect(x + along, y + row * scale, scale, scale, colour);
        }
    });
  };
  return { rect, disc, line, text, png: () => encodePng(shrink(pixels, width, height), width, height) };
};

const shrink = (pixels, width, height) => {
  const small = Buffer.alloc(width * height * 3);
  const area = oversampling * oversampling;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        let total = 0;
        for (let dy = 0; dy < oversampling; dy++)
          for (let dx = 0; dx < oversampling; dx++)
            total += pixels[((y * oversampling + dy) * width * oversampling + x * oversampling + dx) * 3 + c];
        small[(y * width + x) * 3 + c] = Math.round(total / area);
      }
  return small;
};

const encodePng = (rgb, width, height) => {
  const chunk = (type, content) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(content.length, 0);
    frame.writeUInt32BE(zlib.crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB, deflate, no filter method, not interlaced
  const rows = Buffer.alloc(height * (width * 3 + 1)); // every row begins with filter type 0
  for (let y = 0; y < height; y++) rgb.copy(rows, y * (width * 3 + 1) + 1, y * width * 3, (y + 1) * width * 3);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
};

/** Round numbers that cover a range: 1, 2 or 5 times a power of ten apart. */
const ticksOf = (min, max) => {
  const raw = (max - min) / 6;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
  const ticks = [];
  for (let i = Math.floor(min / step); i * step < max + step; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
};

const drawPlot = ({ title, x, y, groups, fit }) => {
  const width = 960;
  const height = 640;
  const frame = { left: 110, top: 80, right: width - 40, bottom: height - 90 };
  const canvas = createCanvas(width, height);
  const points = groups.flatMap((group) => group.points);
  const ticksX = ticksOf(Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x)));
  const ticksY = ticksOf(Math.min(...points.map((p) => p.y)), Math.max(...points.map((p) => p.y)));
  const scaleOf = (ticks, from, to) => (value) => from + ((value - ticks[0]) / (ticks.at(-1) - ticks[0])) * (to - from);
  const toX = scaleOf(ticksX, frame.left, frame.right);
  const toY = scaleOf(ticksY, frame.bottom, frame.top);

  canvas.rect(frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top, [247, 248, 250]);
  for (const tick of ticksX) {
    canvas.rect(toX(tick), frame.top, 1, frame.bottom - frame.top, [222, 226, 230]);
    canvas.text(String(tick), toX(tick), frame.bottom + 12, { align: 'center' });
  }
  for (const tick of ticksY) {
    canvas.rect(frame.left, toY(tick), frame.right - frame.left, 1, [222, 226, 230]);
    canvas.text(String(tick), frame.left - 10, toY(tick) - 7, { align: 'right' });
  }
  canvas.rect(frame.left - 1, frame.top, 2, frame.bottom - frame.top + 1, ink);
  canvas.rect(frame.left - 1, frame.bottom, frame.right - frame.left + 1, 2, ink);
  canvas.text(title, frame.left, 16, { scale: 3 });
  const sign = fit.intercept < 0 ? '-' : '+';
  canvas.text(
    `y = ${short(fit.slope)} x ${sign} ${short(Math.abs(fit.intercept))}    R2 = ${fit.rSquared.toFixed(3)}    n = ${fit.count}`,
    frame.left,
    50,
    { colour: [180, 30, 40] },
  );
  canvas.text(x, (frame.left + frame.right) / 2, frame.bottom + 48, { align: 'center' });
  canvas.text(y, 16, (frame.top + frame.bottom) / 2, { align: 'center', upward: true });

  groups.forEach((group, index) => {
    for (const point of group.points) canvas.disc(toX(point.x), toY(point.y), 4.2, palette[index % palette.length], 0.6);
  });
  drawFit(canvas, { fit, ticksX, ticksY, toX, toY });
  drawLegend(canvas, groups, frame, fit.slope < 0 ? 'right' : 'left');
  return canvas.png();
};

/** The fitted line, cut where it leaves the frame. */
const drawFit = (canvas, { fit, ticksX, ticksY, toX, toY }) => {
  const lineAt = (x) => fit.intercept + fit.slope * x;
  const whereY = (y) => (y - fit.intercept) / fit.slope;
  const edges = [whereY(ticksY[0]), whereY(ticksY.at(-1))].toSorted((a, b) => a - b);
  const from = Math.max(ticksX[0], edges[0]);
  const to = Math.min(ticksX.at(-1), edges[1]);
  canvas.line(toX(from), toY(lineAt(from)), toX(to), toY(lineAt(to)), [180, 30, 40], 2.5);
};

const drawLegend = (canvas, groups, frame, side) => {
  if (groups.length < 2) return;
  const wide = Math.max(...groups.map((group) => group.name.length)) * 12 + 44;
  const high = groups.length * 24 + 12;
  const left = side === 'right' ? frame.right - wide - 14 : frame.left + 14;
  canvas.rect(left, frame.top + 14, wide, high, [255, 255, 255], 0.85);
  groups.forEach((group, index) => {
    const top = frame.top + 22 + index * 24;
    canvas.disc(left + 16, top + 7, 5.5, palette[index % palette.length]);
    canvas.text(group.name, left + 32, top);
  });
};

// ---------------------------------------------------------------- report

const short = (value) =>
  value === 0 || (Math.abs(value) >= 0.001 && Math.abs(value) < 1e7) ? Number(value.toPrecision(5)).toString() : value.toExponential(3);

const table = (rows) => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('  '),
  );
  return [lines[0], '-'.repeat(lines[0].length), ...lines.slice(1)].join('\n');
};

const reportOf = (analysis) => {
  const head = ['column', 'n', 'missing', 'mean', 'std dev', 'min', '25 %', 'median', '75 %', 'max'];
  const rows = analysis.columns.map((c) => [
    c.name,
    String(c.count),
    String(c.missing),
    ...[c.mean, c.deviation, c.min, c.quartile1, c.median, c.quartile3, c.max].map(short),
  ]);
  const { fit, interval, x, y } = analysis.regression;
  return [
    `${analysis.name}  (${analysis.records} records)`,
    '='.repeat(60),
    '',
    table([head, ...rows]),
    '',
    `Least squares: ${y} against ${x}`,
    `  slope      ${short(fit.slope)}  (standard error ${short(fit.slopeError)}, t = ${fit.tValue.toFixed(1)})`,
    `             95 % of ${interval.rounds} resamples between ${short(interval.low)} and ${short(interval.high)}`,
    `  intercept  ${short(fit.intercept)}`,
    `  R squared  ${fit.rSquared.toFixed(4)}`,
    `  n          ${fit.count}`,
    `  plot       ${analysis.plot}`,
    '',
  ].join('\n');
};

// ---------------------------------------------------------------- one dataset, then all

const analyse = (did, number, wishes) => {
  const name = readName(did);
  const { records, bytes } = readRecords(did);
  log(`[${number}] ${name}: ${records.length} records, ${bytes} bytes`);
  const columns = numericColumns(records);
  const described = columns.map((column) =>
    describeColumn(
      column,
      records.map((record) => record[column]),
    ),
  );
  log(`[${number}] described ${columns.length} numeric columns`);
  const { x, y } = choosePair(records, columns, wishes);
  const complete = pairsOf(records, x, y);
  const points = complete.map((record) => ({ x: record[x], y: record[y] }));
  const fit = fitLine(points);
  log(`[${number}] ${y} = ${short(fit.intercept)} + ${short(fit.slope)} * ${x}, R2 = ${fit.rSquared.toFixed(3)}`);
  const interval = bootstrapSlope(points, 20_000, (round) => log(`[${number}] bootstrap: ${round} of 20000 resamples`));
  const by = groupColumn(records);
  const groups = Object.entries(Object.groupBy(complete, (record) => (by === undefined ? 'all' : (record[by] ?? 'unknown')))).map(
    ([group, members]) => ({ name: group, points: members.map((record) => ({ x: record[x], y: record[y] })) }),
  );
  const plot = `regression-${number}.png`;
  fs.writeFileSync(path.join(outputs, plot), drawPlot({ title: name, x, y, groups, fit }));
  log(`[${number}] drew ${plot}`);
  return { did, name, records: records.length, columns: described, regression: { x, y, fit, interval }, plot };
};

const main = () => {
  const dids = JSON.parse(process.env.DIDS ?? '[]');
  const custom = JSON.parse(fs.readFileSync(path.join(inputs, 'algoCustomData.json'), 'utf8'));
  log(`regression: ${dids.length} datasets, uid ${process.getuid()}`);
  const analyses = dids.map((did, index) => analyse(did, index + 1, custom?.regressions ?? []));
  fs.writeFileSync(path.join(outputs, 'results.json'), `${JSON.stringify({ datasets: analyses }, null, 2)}\n`);
  fs.writeFileSync(path.join(outputs, 'report.txt'), analyses.map(reportOf).join('\n'));
  log('regression: done');
};

main();
