import { planFiles, type FileCounts } from '../../../workers/gateway/planFiles.ts';
import { plan as planSchema } from '../../../workers/gateway/protocol.ts';
import type { Admission, JobSpec, RawAlgorithm } from '../../../workflows/contract/spec.ts';
import { aSnapshot, aSpec, anAdmission, closeAll, startGateway } from './harness.ts';

afterEach(closeAll);

const algorithm = (rest: Partial<JobSpec['algorithm']> = {}): JobSpec['algorithm'] => ({ ...aSpec().algorithm, ...rest });
const raw = (rest: Partial<RawAlgorithm> = {}): RawAlgorithm => ({
  rawcode: null,
  url: null,
  fileObject: null,
  container: anAdmission().container,
  ...rest,
});

const planned = (counts: FileCounts, admission: Partial<Admission> = {}, spec: Partial<JobSpec> = {}) =>
  planFiles({ admission: anAdmission(admission), spec: aSpec(spec), counts });

const paths = (...args: Parameters<typeof planned>): string[] => planned(...args).map((file) => file.planned.path);
const textOf = (files: ReturnType<typeof planned>, path: string): string => {
  const found = files.find((file) => file.planned.path === path);
  return Buffer.from(found!.planned.content!, 'base64').toString();
};

describe('planFiles', () => {
  test('every file has its place in the contract for algorithm authors', () => {
    expect(paths({ datasets: [2], algorithm: 3 })).toEqual([
      'inputs/algoCustomData.json',
      'ddos/aaaa',
      'ddos/bbbb',
      'transformations/algorithm',
      'transformations/1',
      'transformations/2',
      'inputs/aaaa/0',
      'inputs/aaaa/1',
    ]);
  });

  test('numbering goes on across several services of one asset, and its DDO is there once', () => {
    const datasets = [aSnapshot(), aSnapshot({ did: 'did:op:cccc', folder: 'cccc' }), aSnapshot({ serviceId: 't' })];
    const files = planned({ datasets: [2, 1, 2], algorithm: 0 }, { datasets, algorithm: null });
    expect(files.map((file) => file.planned.path)).toEqual([
      'inputs/algoCustomData.json',
      'ddos/aaaa',
      'ddos/cccc',
      'inputs/aaaa/0',
      'inputs/aaaa/1',
      'inputs/cccc/0',
      'inputs/aaaa/2',
      'inputs/aaaa/3',
    ]);
    expect(files.at(-1)?.origin).toEqual({ kind: 'dataset', dataset: 2, file: 1 });
  });

  test('a raw input has a folder of its own and no DDO', () => {
    const datasets = [aSnapshot({ did: null, folder: 'raw-0', ddo: null })];
    expect(paths({ datasets: [1], algorithm: 0 }, { datasets, algorithm: null })).toEqual(['inputs/algoCustomData.json', 'inputs/raw-0/0']);
  });

  test('an asset that is dataset and algorithm at once has one DDO file', () => {
    const ddos = paths({ datasets: [1], algorithm: 1 }, { algorithm: aSnapshot() }).filter((path) => path.startsWith('ddos/'));
    expect(ddos).toEqual(['ddos/aaaa']);
  });

  test('raw code is in the plan, executable', () => {
    const files = planned(
      { datasets: [0], algorithm: 0 },
      { algorithm: null },
      { algorithm: algorithm({ raw: raw({ rawcode: 'print(1)' }) }) },
    );
    expect(textOf(files, 'transformations/algorithm')).toBe('print(1)');
    expect(files.find((file) => file.planned.role === 'algorithm')?.planned.mode).toBe(0o755);
  });

  test('when a published algorithm and raw code are both there, the published one counts', () => {
    const files = planned({ datasets: [0], algorithm: 1 }, {}, { algorithm: algorithm({ raw: raw({ rawcode: 'evil' }) }) });
    const found = files.filter((file) => file.planned.path === 'transformations/algorithm');
    expect(found).toMatchObject([{ origin: { kind: 'algorithm', file: 0 } }]);
  });

  test('only the algorithm itself is executable', () => {
    const modes = planned({ datasets: [1], algorithm: 2 }).map((file) => file.planned.mode);
    expect(modes).toEqual([0o644, 0o644, 0o644, 0o755, 0o644, 0o644]);
  });

  test.each<[JobSpec['surface'], unknown, string]>([
    ['node', null, '{}'],
    ['node', undefined, '{}'],
    ['classic', null, 'null'],
    ['operator', undefined, 'null'],
    ['node', { a: 1 }, '{"a":1}'],
    ['classic', { a: 'ü' }, '{"a":"ü"}'],
    ['classic', 'text', '"text"'],
    ['node', '', '""'],
    ['node', 0, '0'],
    ['classic', false, 'false'],
  ])('custom data on %s: %j is written as %s', (surface, algocustomdata, text) => {
    const files = planned({ datasets: [0], algorithm: 0 }, {}, { surface, algorithm: algorithm({ algocustomdata }) });
    expect(textOf(files, 'inputs/algoCustomData.json')).toBe(text);
  });

  test('pinned digests go with the files of the algorithm', () => {
    const [a, b] = ['A'.repeat(64), `0x${'b'.repeat(64)}`];
    const files = planned({ datasets: [1], algorithm: 2 }, { algorithmFileDigests: [a, b] });
    expect(files.flatMap((file) => file.planned.sha256 ?? [])).toEqual(['a'.repeat(64), 'b'.repeat(64)]);
  });

  test('a pinned digest that cannot be compared never passes', () => {
    expect(() => planned({ datasets: [0], algorithm: 1 }, { algorithmFileDigests: ['md5:1'] })).toThrow(
      expect.objectContaining({ type: 'AlgorithmChecksumMismatch' }),
    );
  });

  test.each(['../etc', '..', 'a/b', '', '.', 'a\0b'])('a DID that would lead elsewhere is refused: %j', (folder) => {
    expect(() => planned({ datasets: [1], algorithm: 0 }, { datasets: [aSnapshot({ folder })] })).toThrow(
      expect.objectContaining({ type: 'RequestInvalid' }),
    );
  });
});

describe('GET plan', () => {
  test('fits the protocol, is the same for every call and holds no address of a data source', async () => {
    const files = { 'did:op:aaaa': [{ type: 'url', url: 'https://data.example/secret?sig=1', method: 'GET' }] };
    const { call, pod } = await startGateway({ files });
    const [first, second] = [await (await call('/plan')).text(), await (await call('/plan')).text()];
    expect(planSchema.parse(JSON.parse(first))).toMatchObject({ ...pod, seal: { kind: 'noNetwork' }, heartbeatSeconds: 4 });
    expect(second).toBe(first);
    expect(first).not.toMatch(/data\.example|secret|sig=1/);
  });

  test('an environment that is no longer configured is worth a retry: an operator may put it back', async () => {
    const { call } = await startGateway({ spec: { environmentId: 'gone' } });
    const response = await call('/plan');
    expect([response.status, await response.json()]).toMatchObject([503, { retryable: true, type: 'RuntimeUnavailable' }]);
  });

  test('a raw algorithm at a URL and a raw input become downloads', async () => {
    const { call } = await startGateway({
      admission: { algorithm: null, datasets: [aSnapshot({ did: null, folder: 'raw-0', ddo: null })] },
      spec: {
        algorithm: algorithm({ raw: raw({ url: 'https://code.example/a.py' }) }),
        datasets: [
          {
            documentId: null,
            serviceId: null,
            transferTxId: null,
            userdata: null,
            fileObject: { type: 'url', url: 'https://data.example/x', method: 'GET' },
          },
        ],
      },
    });
    const { files } = planSchema.parse(await (await call('/plan')).json());
    expect(files.filter(({ content }) => content === undefined).map(({ path }) => path)).toEqual([
      'transformations/algorithm',
      'inputs/raw-0/0',
    ]);
  });

  test('a malformed file object of a consumer is told as such, not as a failure of ours', async () => {
    const datasets = [{ documentId: null, serviceId: null, transferTxId: null, userdata: null, fileObject: { type: 'floppy' } }];
    const admission = { algorithm: null, datasets: [aSnapshot({ did: null, folder: 'raw-0', ddo: null })] };
    const { call } = await startGateway({ admission, spec: { datasets } });
    const response = await call('/plan');
    expect([response.status, await response.json()]).toMatchObject([424, { type: 'RequestInvalid', retryable: false }]);
  });
});
