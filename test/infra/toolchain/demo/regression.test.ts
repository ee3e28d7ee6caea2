import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inflateSync } from 'node:zlib';
import { algorithmFile, algorithmQuestion, demoDatasets } from '../../../../infra/toolchain/demo/scene.ts';
import { takeMarkers } from '../../../../infra/toolchain/demo/leftovers.ts';

interface Analysis {
  readonly records: number;
  readonly columns: readonly { readonly name: string; readonly count: number; readonly mean: number }[];
  readonly regression: {
    readonly x: string;
    readonly y: string;
    readonly fit: { readonly slope: number; readonly intercept: number; readonly rSquared: number; readonly count: number };
    readonly interval: { readonly low: number; readonly high: number };
  };
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'regression-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Lays out the folders of an execution pod and runs the algorithm in them. */
const runAlgorithm = (datasets: Readonly<Record<string, unknown>>, question: unknown = null) => {
  for (const name of ['inputs', 'outputs', 'ddos', 'transformations']) mkdirSync(path.join(folder, name), { recursive: true });
  for (const [did, content] of Object.entries(datasets)) {
    mkdirSync(path.join(folder, 'inputs', did));
    writeFileSync(path.join(folder, 'inputs', did, '0'), typeof content === 'string' ? content : JSON.stringify(content));
    writeFileSync(path.join(folder, 'ddos', did), JSON.stringify({ metadata: { name: `dataset ${did}` } }));
  }
  writeFileSync(path.join(folder, 'inputs/algoCustomData.json'), JSON.stringify(question));
  const code = path.join(folder, 'transformations/algorithm');
  copyFileSync(algorithmFile, code);
  const env = { INPUTS: path.join(folder, 'inputs'), OUTPUTS: path.join(folder, 'outputs'), DIDS: JSON.stringify(Object.keys(datasets)) };
  const { status, stdout, stderr } = spawnSync(process.execPath, [code], { env, encoding: 'utf8', timeout: 20_000 });
  const outputs = path.join(folder, 'outputs');
  const analyses = (): readonly Analysis[] =>
    (JSON.parse(readFileSync(path.join(outputs, 'results.json'), 'utf8')) as { datasets: Analysis[] }).datasets;
  return {
    status,
    stdout,
    stderr,
    analyses,
    files: readdirSync(outputs).toSorted(),
    read: (name: string) => readFileSync(path.join(outputs, name)),
  };
};

const pointsOnALine = Array.from({ length: 40 }, (_, index) => ({
  time: index,
  way: 3 * index - 7,
  group: index % 2 === 0 ? 'even' : 'odd',
}));

describe('regression.algorithm.js', () => {
  test('points on a line give that line and an R squared of 1', () => {
    const run = runAlgorithm({ aa: pointsOnALine }, { regressions: [{ x: 'time', y: 'way' }] });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
    const [analysis] = run.analyses();
    expect(analysis!.regression.fit.slope).toBeCloseTo(3, 9);
    expect(analysis!.regression.fit.intercept).toBeCloseTo(-7, 9);
    expect(analysis!.regression.fit.rSquared).toBeCloseTo(1, 9);
  });

  test('every dataset named in DIDS is analysed and gets a report section and a plot', () => {
    const run = runAlgorithm(
      Object.fromEntries(demoDatasets.map(({ file }, index) => [`did${index}`, readFileSync(file, 'utf8')])),
      algorithmQuestion,
    );
    expect(run.status).toBe(0);
    expect(run.files).toEqual(['regression-1.png', 'regression-2.png', 'report.txt', 'results.json']);
    const [cars, penguins] = run.analyses();
    expect(cars).toMatchObject({ records: 406, regression: { y: 'Miles_per_Gallon', fit: { count: 398 } } });
    expect(penguins).toMatchObject({ records: 344, regression: { x: 'Flipper Length (mm)', fit: { count: 342 } } });
    // published values: mean body mass 4201.75 g, R squared of mass by flipper length 0.759
    expect(penguins!.columns.find((column) => column.name === 'Body Mass (g)')!.mean).toBeCloseTo(4201.75, 1);
    expect(penguins!.regression.fit.rSquared).toBeCloseTo(0.759, 3);
    expect(penguins!.regression.interval.low).toBeLessThan(penguins!.regression.fit.slope);
    expect(penguins!.regression.interval.high).toBeGreaterThan(penguins!.regression.fit.slope);
    expect(run.read('report.txt').toString()).toContain('dataset did1  (344 records)');
  });

  test('no row of a dataset is in the outputs or in the log', async () => {
    const { file } = demoDatasets[0]!;
    const run = runAlgorithm({ aa: readFileSync(file, 'utf8') }, algorithmQuestion);
    const everything = Buffer.concat([Buffer.from(run.stdout), ...run.files.map((name) => run.read(name))]);
    for (const marker of await takeMarkers(file)) expect(everything.includes(marker)).toBe(false);
    expect(everything.includes('chevrolet')).toBe(false);
  });

  test('the plot is a complete PNG of 960 by 640 with points and a line in colour', () => {
    const run = runAlgorithm({ aa: pointsOnALine });
    const png = run.read('regression-1.png');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([960, 640]);
    expect(png.subarray(-8, -4).toString()).toBe('IEND');
    const length = png.readUInt32BE(33);
    const pixels = inflateSync(png.subarray(41, 41 + length));
    expect(pixels.length).toBe(640 * (960 * 3 + 1));
    expect(pixels.includes(Buffer.from([180, 30, 40]))).toBe(true);
  });

  test('without a question the strongest pair of columns is taken', () => {
    const noisy = pointsOnALine.map((point, index) => ({ ...point, noise: (index * 7919) % 31 }));
    const { x, y } = runAlgorithm({ aa: noisy }).analyses()[0]!.regression;
    expect([x, y].toSorted()).toEqual(['time', 'way']);
  });

  test('a dataset that is no list of records ends it with an error', () => {
    const run = runAlgorithm({ aa: { not: 'a list' } });
    expect(run.status).not.toBe(0);
    expect(run.stderr).toContain('is not a list of records');
  });
});
