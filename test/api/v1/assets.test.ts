import type { CheckAnswer } from '../../../api/v1/schemas.ts';
import { computeEnvironments } from '../../../infra/environments/environments.ts';
import { aWallet } from '../support/consumer.ts';
import { aRequest, openCaller, openSurface, problemIn, startOne, type Caller, type Surface } from './support/surface.ts';

let surface: Surface;
let alice: Caller;
beforeAll(async () => {
  const assets = { chainId: 8996, serviceEndpoint: 'http://127.0.0.1:8000', freeJobs: true };
  surface = await openSurface({
    environments: computeEnvironments.parse([
      { id: 'asked', free: {}, assets },
      { id: 'always', free: {}, assets: { ...assets, publish: 'always' } },
      { id: 'never', free: {} },
    ]),
  });
  alice = await openCaller(surface);
});
afterAll(() => surface.close());

const encryption = { recipient: aWallet().signingKey.compressedPublicKey };

describe('a job whose outputs are to become an asset', () => {
  test('tells that it is asked for, and that it is not made when the job fails', async () => {
    const id = await startOne(alice, { environment: 'asked', publishOutput: {} });
    expect((await alice.call(`/api/v1/jobs/${id}`)).body).toMatchObject({ asset: { state: 'asked', did: null, reason: null } });
    await surface.finish(id, { 'out.txt': 'half a result' }, 82);
    expect((await alice.call(`/api/v1/jobs/${id}`)).body).toMatchObject({ ended: true, asset: { state: 'notMade' } });
  });

  test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
    [
      'with results encrypted to one recipient',
      { environment: 'asked', publishOutput: {}, encryption },
      /leave out encryption or publishOutput/,
    ],
    ['with encrypted results where all outputs become assets', { environment: 'always', encryption }, /makes an asset of all outputs/],
    ['where none is made', { environment: 'never', publishOutput: {} }, /makes no assets of outputs/],
  ])('%s is refused by start and check, for the same reason', async (_what, over, text) => {
    const before = surface.jobs.started.length;
    const answer = await alice.call('/api/v1/jobs', { method: 'POST', body: aRequest(over) });
    expect([answer.status, problemIn(answer).code]).toEqual([400, 'RequestInvalid']);
    expect(problemIn(answer).detail).toMatch(text);
    expect(surface.jobs.started).toHaveLength(before);
    const { accepted, reasons } = (await alice.call('/api/v1/checks', { method: 'POST', body: aRequest(over) })).body as CheckAnswer;
    expect([accepted, reasons]).toMatchObject([false, [{ code: 'RequestInvalid', cause: expect.stringMatching(text) as unknown }]]);
  });

  test('may be encrypted where no asset is made of it', async () => {
    const id = await startOne(alice, { environment: 'asked', encryption });
    expect(surface.jobs.specs.get(id)).toMatchObject({ encryption: { recipient: encryption.recipient.slice(2) } });
    expect(surface.jobs.specs.get(id)?.asset).toBeUndefined();
  });
});
