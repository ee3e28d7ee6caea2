import type { PublishedAsset } from '../../infra/toolchain/demo/clientTypes.ts';
import { awaitEnd, publishTrustingPair, runRawJob, startOrderedJob, type EndedJob } from '../support/jobs.ts';
import { useScene } from '../support/scene.ts';

const scene = useScene();
const jobPatienceMs = 90_000;

/** Tells everything an algorithm can see: its folders with rights and contents, its environment, who it is. */
const look = `
const fs = require('node:fs');
const tree = {};
const walk = (path) => {
  const found = fs.lstatSync(path);
  const mode = (found.mode & 0o777).toString(8);
  if (found.isDirectory()) { tree[path] = { mode, entries: fs.readdirSync(path).sort() }; for (const name of fs.readdirSync(path)) walk(path + '/' + name); }
  else tree[path] = { mode, content: found.size < 20000 ? fs.readFileSync(path, 'utf8') : null };
};
for (const name of ['inputs', 'transformations', 'ddos', 'outputs']) walk('/data/' + name);
const groups = process.getgroups();
fs.writeFileSync('/data/outputs/seen.json', JSON.stringify({ tree, env: process.env, uid: process.getuid(), gid: process.getgid(), groups, cwd: process.cwd(), argv: process.argv, root: fs.readdirSync('/data').sort() }));
`;

interface Seen {
  readonly tree: Readonly<
    Record<string, { readonly mode: string; readonly entries?: readonly string[]; readonly content?: string | null }>
  >;
  readonly env: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly root: readonly string[];
}

const readSeen = ({ results }: EndedJob): Seen => JSON.parse(results.get('seen.json')!.toString()) as Seen;

const folderOf = ({ did }: PublishedAsset): string => did.replace(/^did:ope?:/, '');

describe("what a published algorithm finds (Ocean's contract for algorithm authors)", () => {
  let assets: Awaited<ReturnType<typeof publishTrustingPair>>;
  let seen: Seen;

  beforeAll(async () => {
    assets = await publishTrustingPair(scene(), {
      contents: [look, 'a helper file', 'another'],
      datasets: [['first of one', 'second of one', ''], ['first of two']],
    });
    const { jobId } = await startOrderedJob(scene(), { ...assets, algocustomdata: { threshold: 7, words: ['ä', '"'] } });
    const ended = await awaitEnd(scene(), jobId);
    if (ended.job.status !== 70) throw new Error(`the job ended with ${ended.job.status} ${ended.job.statusText}\n${ended.log}`);
    seen = readSeen(ended);
  }, jobPatienceMs);

  test('the files of every dataset, numbered from 0, below its DID without prefix (complaint: inputs overwrite each other)', () => {
    const [one, two] = assets.datasets.map(folderOf);
    expect(seen.tree['/data/inputs']!.entries).toEqual([one, two, 'algoCustomData.json'].toSorted());
    expect(seen.tree[`/data/inputs/${one}`]!.entries).toEqual(['0', '1', '2']);
    expect(seen.tree[`/data/inputs/${one}/0`]!.content).toBe('first of one');
    expect(seen.tree[`/data/inputs/${one}/1`]!.content).toBe('second of one');
    expect(seen.tree[`/data/inputs/${one}/2`]!.content).toBe('');
    expect(seen.tree[`/data/inputs/${two}`]!.entries).toEqual(['0']);
    expect(seen.tree[`/data/inputs/${two}/0`]!.content).toBe('first of two');
  });

  test('its custom data as JSON', () => {
    expect(JSON.parse(seen.tree['/data/inputs/algoCustomData.json']!.content!)).toEqual({ threshold: 7, words: ['ä', '"'] });
  });

  test('its code as `algorithm`, executable, and its further files numbered from 1', () => {
    expect(seen.tree['/data/transformations']!.entries).toEqual(['1', '2', 'algorithm']);
    expect(seen.tree['/data/transformations/algorithm']).toEqual({ mode: '755', content: look });
    expect(seen.tree['/data/transformations/1']!.content).toBe('a helper file');
    expect(seen.tree['/data/transformations/2']!.content).toBe('another');
    expect(seen.argv.at(-1)).toBe('/data/transformations/algorithm');
  });

  test('the DDO of every dataset and its own', () => {
    const all = [...assets.datasets, assets.algorithm];
    expect(seen.tree['/data/ddos']!.entries).toEqual(all.map(folderOf).toSorted());
    for (const asset of all) expect(JSON.parse(seen.tree[`/data/ddos/${folderOf(asset)}`]!.content!)).toMatchObject({ id: asset.did });
  });

  test('folders and files that everybody may read', () => {
    for (const [path, { mode, entries }] of Object.entries(seen.tree)) {
      if (path.startsWith('/data/outputs')) continue;
      expect([path, mode]).toEqual([path, entries !== undefined || path.endsWith('/algorithm') ? '755' : '644']);
    }
  });

  test('empty outputs, and no folder of the platform', () => {
    expect(seen.tree['/data/outputs']!.entries).toEqual([]);
    expect(seen.root).not.toContain('adminlogs');
    expect(seen.root).toEqual(expect.arrayContaining(['ddos', 'inputs', 'outputs', 'transformations']));
  });

  test("its environment, and nothing of the platform's", () => {
    const { secret, ...env } = seen.env;
    expect(env).toMatchObject({
      DIDS: JSON.stringify(assets.datasets.map(folderOf)),
      TRANSFORMATION_DID: folderOf(assets.algorithm),
      VOLUME: '/data',
      LOGS: '/data/logs',
      INPUTS: '/data/inputs',
      OUTPUTS: '/data/outputs',
    });
    expect(secret).toMatch(/^[0-9a-f]{32}$/);
    const known = [
      'DIDS',
      'TRANSFORMATION_DID',
      'VOLUME',
      'LOGS',
      'INPUTS',
      'OUTPUTS',
      'PATH',
      'HOME',
      'HOSTNAME',
      'TERM',
      'PWD',
      'SHLVL',
      'container',
    ];
    expect(Object.keys(env).filter((name) => !known.includes(name))).toEqual([]);
  });

  test('itself under a user that is not root', () => {
    expect([seen.uid, seen.gid]).toEqual([1000, 1000]);
    expect(seen.groups).not.toContain(0);
  });
});

describe('what code that the consumer brings along finds', () => {
  test(
    "no dataset, an empty object as custom data, its own variables, and none that replaces the platform's",
    async () => {
      const ended = await runRawJob(scene(), { code: look, envs: { GREETING: 'hello world', INPUTS: '/elsewhere' } });
      const seen = readSeen(ended);
      expect(seen.tree['/data/inputs']!.entries).toEqual(['algoCustomData.json']);
      expect(JSON.parse(seen.tree['/data/inputs/algoCustomData.json']!.content!)).toEqual({});
      expect(seen.tree['/data/transformations/algorithm']!.content).toBe(look);
      expect(seen.tree['/data/ddos']!.entries).toEqual([]);
      expect(seen.env).toMatchObject({ GREETING: 'hello world', INPUTS: '/data/inputs', DIDS: '[]', TRANSFORMATION_DID: '' });
    },
    jobPatienceMs,
  );
});
