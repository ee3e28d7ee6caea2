import { z } from 'zod';
import type { CheckAnswer } from '../../../api/v1/schemas.ts';
import { storageKeys } from '../../../infra/storage/config.ts';
import { deliveryRefusal } from '../../../infra/storage/deliveryRefusal.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';
import { aTransaction, aDid, anAdmission, aSpec } from '../../support/builders.ts';
import { aWallet } from '../support/consumer.ts';
import { aRequest, openCaller, openSurface, problemIn, startOne, type Caller, type Surface } from './support/surface.ts';

let surface: Surface;
let alice: Caller;
beforeAll(async () => {
  surface = await openSurface();
  alice = await openCaller(surface);
});
beforeEach(() => {
  surface.withdrawn.clear();
  surface.reasons.length = 0;
  surface.targets.probed.length = 0;
  delete surface.targets.failure;
});
afterAll(() => surface.close());

const ask = (body: unknown) => alice.call('/api/v1/checks', { method: 'POST', body });
const check = async (over: Readonly<Record<string, unknown>> = {}): Promise<CheckAnswer> => {
  const { status, body } = await ask(aRequest(over));
  expect(status).toBe(200);
  return body as CheckAnswer;
};
const codes = ({ reasons }: CheckAnswer): readonly string[] => reasons.map(({ code }) => code);

describe('POST /api/v1/checks', () => {
  test('accepts what would be accepted, tells what it would get, and starts nothing', async () => {
    const answer = await check({ resources: [{ id: 'ram', amount: 3 }], maxJobDuration: 10_000 });
    expect(answer).toEqual({
      accepted: true,
      reasons: [],
      granted: { resources: { cpu: 0.5, ram: 3, disk: 1 }, maxJobDuration: 60, queueMaxWaitTime: 60 },
      price: null,
    });
    expect(surface.jobs.started).toEqual([]);
    expect(((await alice.call('/api/v1/jobs')).body as { jobs: unknown[] }).jobs).toEqual([]);
  });

  test('tells all reasons at once, each with cause and hint', async () => {
    surface.withdrawn.set('small', 'secret of the operator');
    surface.reasons.push(new JobFailure('AccessDenied', 'Access denied'), new JobFailure('AlgorithmNotTrusted', 'not trusted'));
    const answer = await check({
      resources: [
        { id: 'cpu', amount: 99 },
        { id: 'gpu', amount: 1 },
      ],
    });
    expect(answer).toMatchObject({ accepted: false, granted: null });
    expect(codes(answer)).toEqual([
      'EnvironmentUnavailable',
      'NotEnoughResources',
      'NotEnoughResources',
      'AccessDenied',
      'AlgorithmNotTrusted',
    ]);
    expect(answer.reasons.map(({ cause }) => cause).slice(1)).toEqual([
      'Not enough cpu resources. Requested 99, but max is 2',
      'Not enough gpu resources. Requested 1, but max is 0',
      'Access denied',
      'not trusted',
    ]);
    expect(answer.reasons.every(({ hint }) => hint.length > 10)).toBe(true);
    expect(JSON.stringify(answer)).not.toContain('secret of the operator');
  });

  test.each<[string, Readonly<Record<string, unknown>>, readonly string[]]>([
    ['an unknown environment', { environment: 'nowhere' }, ['EnvironmentUnknown']],
    ['an environment without free jobs', { environment: 'paid-only' }, ['FreeJobsNotOffered']],
    ['an algorithm without image, and a dataset that is none', { algorithm: {}, datasets: [{}] }, ['RequestInvalid', 'RequestInvalid']],
  ])('%s', async (_what, over, expected) => {
    expect(codes(await check(over))).toEqual(expected);
  });

  describe('with a bucket for the outputs', () => {
    const s3Access = {
      endpoint: 'https://secret.example',
      bucket: 'mine',
      objectKey: 'a/',
      accessKeyId: 'hunter2',
      secretAccessKey: 'hunter2',
    };
    const sealed = (output: unknown): string => Buffer.from(Buffer.from(JSON.stringify(output)).toReversed()).toString('hex');
    const output = sealed({ remoteStorage: { type: 's3', s3Access } });

    test('tries it out, and tells what is wrong with it', async () => {
      expect(await check({ output })).toMatchObject({ accepted: true, reasons: [] });
      surface.targets.failure = new JobFailure('OutputTargetRefused', 'the bucket does not exist');
      const answer = await check({ output });
      expect([codes(answer), answer.reasons[0]?.cause]).toEqual([['OutputTargetRefused'], 'the bucket does not exist']);
      expect(surface.targets.probed).toEqual(Array(2).fill(expect.objectContaining({ bucket: 'mine', objectKey: 'a/' })));
      expect(JSON.stringify(answer)).not.toMatch(/hunter2|secret\.example/);
    });

    test('sends nothing there for a job that is refused anyhow', async () => {
      surface.reasons.push(new JobFailure('AccessDenied', 'Access denied'));
      expect(codes(await check({ output }))).toEqual(['AccessDenied']);
      expect(surface.targets.probed).toEqual([]);
    });

    test('tells at once that an environment which keeps results in IPFS takes outputs only encrypted to a key', async () => {
      const ipfs = { name: 'default', kind: 'ipfs', readableByCid: true, nodes: [{ url: 'http://node.example' }] };
      const own = await openSurface({
        deliveryRefusal: deliveryRefusal(z.object(storageKeys).parse({ C2D_STORES: JSON.stringify([ipfs]) })),
      });
      try {
        const caller = await openCaller(own);
        const ask = async (over: object) =>
          (await caller.call('/api/v1/checks', { method: 'POST', body: aRequest({ resources: [{ id: 'cpu', amount: 99 }], ...over }) }))
            .body as CheckAnswer;
        const { reasons } = await ask({ output });
        expect(reasons.map(({ code }) => code)).toEqual(['NotEnoughResources', 'RequestInvalid']);
        expect(reasons[1]?.cause).toMatch(/^environment small keeps outputs in IPFS until they are delivered, .* encrypt to a public key/);
        expect(JSON.stringify(reasons)).not.toMatch(/hunter2|example/);
        for (const over of [{}, { output, encryption: { recipient: aWallet().signingKey.compressedPublicKey } }])
          expect(codes(await ask(over))).toEqual(['NotEnoughResources']);
      } finally {
        await own.close();
      }
    });

    test.each([
      ['what cannot be opened', 'nothing'],
      ['storage of another type', sealed({ remoteStorage: { type: 'ftp' } })],
      ['an asset, which has its own field', sealed({ publishOutput: true })],
    ])('%s is a reason', async (_what, bad) => {
      expect(codes(await check({ output: bad }))).toEqual(['RequestInvalid']);
    });
  });

  test('places that are taken count for who does not wait', async () => {
    for (let n = 0; n < 4; n += 1) await startOne(alice);
    expect(codes(await check({ queueMaxWaitTime: 0 }))).toEqual(['NoCapacity']);
    expect((await check({ queueMaxWaitTime: 1 })).accepted).toBe(true);
  });

  test('an order that carries an unfinished job is told before the start', async () => {
    const transferTxId = aTransaction();
    const spec = aSpec({ datasets: [{ documentId: aDid(), serviceId: 'a', transferTxId, userdata: null, fileObject: null }] });
    await surface.ledger.reserveJob({ spec, nonce: '1' });
    await surface.ledger.acceptJob(spec.jobId, anAdmission(spec));
    const datasets = [{ documentId: aDid(), serviceId: 'a', transferTxId }];
    expect(codes(await check({ free: false, datasets }))).toEqual(['AgreementInUse']);
  });

  test('what cannot be read is a problem, as for a start', async () => {
    const answer = await ask({ nonsense: true });
    expect(answer.status).toBe(400);
    expect(problemIn(answer).detail).toMatch(/environment/);
  });
});
