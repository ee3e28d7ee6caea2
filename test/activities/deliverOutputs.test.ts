import type { ServerResponse } from 'node:http';
import { createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Info } from '@temporalio/activity';
import { ActivityCancellationDetails } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { deliverOutputs, type DeliverOutputsDeps } from '../../activities/deliverOutputs.ts';
import { createOutputTargets, type OutputTargets } from '../../infra/targets/outputTargets.ts';
import { listen } from '../../infra/process/listen.ts';
import type { S3Server } from '../../infra/toolchain/versitygw.ts';
import type { JobFailure } from '../../workflows/contract/failures.ts';
import { askedDelivery, type OutputTarget } from '../../workflows/contract/output.ts';
import { aJobId } from '../support/builders.ts';
import { aTarget, bucketOf, unpack } from '../support/outputs.ts';
import { openS3Server } from '../support/s3.ts';
import { openFaultyWay, type FaultyWay } from '../support/s3Faults.ts';

const publicKey = `0x03${'5a'.repeat(32)}`;
const timeouts = { connectTimeoutMs: 2_000, headersTimeoutMs: 10_000, idleTimeoutMs: 10_000 };

let server: S3Server;
let targets: OutputTargets;
beforeAll(async () => {
  server = await openS3Server();
  targets = createOutputTargets({ outbound: { allowedNetworks: ['127.0.0.0/8'], ...timeouts }, publicKey });
});
afterAll(async () => {
  await targets.close();
  await server.close();
});

const large = randomBytes(20 * 1024 ** 2);
const contents: Readonly<Record<string, Buffer>> = { 'answer.txt': Buffer.from('forty-two'), 'folder%2Flarge.bin': large };
const log = Buffer.from('a log');

/** A job that has published, in memory; reading its files can be made to fail. */
const aJob = (target: OutputTarget) => {
  const pod = { jobId: aJobId(), podAttempt: 1 };
  const files = [
    ...Object.entries(contents).map(([filename, bytes]) => ({ filename, bytes, type: 'output' as const })),
    { filename: 'algorithm.log', bytes: log, type: 'algorithmLog' as const },
  ];
  const results = files.map(({ filename, bytes, type }, n) => ({
    ...{ filename, type, n, filesize: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
  }));
  const world = { delivered: [] as { sizeBytes: number; sha256: string }[], reasons: [] as string[], breaksAt: Infinity };
  let delivery = askedDelivery(target, pod.jobId);
  const bytesOf = async function* (n: number): AsyncGenerator<Buffer> {
    const { bytes } = files[n]!;
    for (let at = 0; at < bytes.length; at += 65_536) {
      if (at >= world.breaksAt) throw new Error('the store is gone');
      yield bytes.subarray(at, at + 65_536);
    }
  };
  const deps: DeliverOutputsDeps = {
    deliveries: {
      readDeliveryOrder: async () => ({ target, delivery, podAttempt: 1, store: 'default', results, publishedAtMs: 1_750_000_000_000 }),
      recordDelivery: async (_jobId, whole) => {
        delivery = { ...delivery, state: 'delivered' };
        world.delivered.push(whole);
      },
    },
    published: { read: async ({ n }) => Readable.from(bytesOf(n)) },
    outputTargets: { ...targets },
    records: { recordProgress: async ({ status, reason }) => void world.reasons.push(`${status} ${reason}`) },
  };
  /** @param about of the attempt; there is time for many, unless it says otherwise */
  const run = async (
    heartbeatDetails?: unknown,
    about: Partial<Info> = {},
    act: (environment: MockActivityEnvironment) => void = () => undefined,
  ) => {
    const times = { scheduledTimestampMs: Date.now(), scheduleToCloseTimeoutMs: 3_600_000 };
    const environment = new MockActivityEnvironment({ ...times, heartbeatDetails, ...about });
    act(environment);
    const failure: unknown = await environment.run(deliverOutputs(deps), pod).then(
      () => undefined,
      (err: unknown) => err,
    );
    return failure;
  };
  return { pod, deps, world, run, key: `results/outputs-${pod.jobId}.tar` };
};

/** The last that a delivery told of itself. */
const uploadOf = async (deps: DeliverOutputsDeps, act: () => Promise<unknown>): Promise<{ uploadIds: Set<string>; bytes: number[] }> => {
  const uploadIds = new Set<string>();
  const bytes: number[] = [];
  const { deliver } = deps.outputTargets;
  Object.assign(deps, {
    outputTargets: {
      deliver: (parcel: Parameters<typeof deliver>[0], following: Parameters<typeof deliver>[1]) =>
        deliver(parcel, {
          ...following,
          onProgress(progress) {
            uploadIds.add(progress.uploadId);
            bytes.push(progress.bytes);
            following.onProgress(progress);
          },
        }),
    },
  });
  await act();
  return { uploadIds, bytes };
};

describe('deliverOutputs', () => {
  test('brings every output, and only outputs, as one archive that is what the ledger says', async () => {
    const { run, world, key } = aJob(aTarget(server));
    expect(await run()).toBeUndefined();
    const archive = await bucketOf(server).read(key);
    const { 'outputs/answer.txt': answer, 'outputs/folder/large.bin': bytes, ...others } = await unpack(archive);
    expect([answer?.toString(), bytes?.equals(large), others]).toEqual(['forty-two', true, {}]);
    expect(world.delivered).toEqual([
      expect.objectContaining({ sizeBytes: archive.length, sha256: createHash('sha256').update(archive).digest('hex') }),
    ]);
    expect(await bucketOf(server).uploads()).toBe(0);
  });

  test('sends nothing a second time once they have arrived', async () => {
    const { run, world, deps } = aJob(aTarget(server));
    await run();
    const { uploadIds } = await uploadOf(deps, run);
    expect([uploadIds.size, world.delivered.length]).toEqual([0, 1]);
  });

  test('takes an exact key as it is, and the key of an archive into a folder', async () => {
    const objectKey = 'mine.tar';
    expect(await aJob(aTarget(server, { objectKey })).run()).toBeUndefined();
    expect(await bucketOf(server).keys()).toContain(objectKey);
  });

  test('encrypts with the AES key of the request, whose IV is the beginning of the public key', async () => {
    const aesKey = randomBytes(32).toString('hex');
    const { run, key } = aJob(aTarget(server, { aesKey }));
    expect(await run()).toBeUndefined();
    const decipher = createDecipheriv('aes-256-cbc', Buffer.from(aesKey, 'hex'), Buffer.from(publicKey.slice(2), 'hex').subarray(0, 16));
    const archive = Buffer.concat([decipher.update(await bucketOf(server).read(key)), decipher.final()]);
    expect((await unpack(archive))['outputs/answer.txt']?.toString()).toBe('forty-two');
  });

  test('goes on where an earlier attempt was cut, in the same upload', async () => {
    const { run, world, deps, key } = aJob(aTarget(server));
    world.breaksAt = 10 * 1024 ** 2;
    const first = await uploadOf(deps, async () => {
      expect(await run()).toMatchObject({ type: 'StorageUnavailable', retryAfterSeconds: 5 });
    });
    expect(first.bytes).toEqual([0, 8 * 1024 ** 2]);
    world.breaksAt = Infinity;
    const [uploadId] = first.uploadIds;
    const second = await uploadOf(deps, () => run({ uploadId, bytes: 8 * 1024 ** 2 }));
    expect([...second.uploadIds]).toEqual([uploadId]);
    expect((await unpack(await bucketOf(server).read(key)))['outputs/folder/large.bin']?.equals(large)).toBe(true);
    expect(world.delivered).toHaveLength(1);
  });

  test('finds an archive whose last answer was lost, and sends nothing', async () => {
    const { run, world, deps } = aJob(aTarget(server));
    const record = deps.deliveries.recordDelivery;
    Object.assign(deps.deliveries, { recordDelivery: () => Promise.reject(new Error('the ledger is away')) });
    const first = await uploadOf(deps, run);
    Object.assign(deps.deliveries, { recordDelivery: record });
    const [uploadId] = first.uploadIds;
    const second = await uploadOf(deps, () => run({ uploadId, bytes: 0 }));
    expect([second.uploadIds.size, world.delivered.length]).toEqual([0, 1]);
  });

  test('tells why it waits, without a word of the target, and goes again', async () => {
    const gone = await openS3Server();
    await gone.close();
    const target = aTarget(gone);
    const { run, world } = aJob(target);
    const failure = await run();
    expect(failure).toMatchObject({ type: 'OutputTargetUnavailable', retryAfterSeconds: 10 });
    const told = [...world.reasons, (failure as JobFailure).message].join('\n');
    expect(world.reasons.at(-1)).toMatch(
      /^60 the storage of output: it cannot be reached at the moment \(ECONNREFUSED\); it is tried again$/,
    );
    for (const secret of [target.secretAccessKey, target.accessKeyId, new URL(target.endpoint).port, 'results/'])
      expect(told).not.toContain(secret);
    expect(world.delivered).toEqual([]);
  });

  describe('that is given up', () => {
    let way: FaultyWay;
    beforeEach(async () => void (way = await openFaultyWay(server.endpoint)));
    afterEach(() => way.close());
    const stuck = () => aJob(aTarget(server, { endpoint: way.endpoint }));
    const uploads = () => bucketOf(server).uploads();
    const cancelStalled =
      (details: ConstructorParameters<typeof ActivityCancellationDetails>[0]) => (environment: MockActivityEnvironment) => {
        way.next('UploadPart', { kind: 'stall', afterBytes: 1 });
        void way.stalled().then(() => environment.cancel('CANCELLED', new ActivityCancellationDetails(details)));
      };

    test('leaves no part in a bucket that refuses the end of it', async () => {
      const { run } = stuck();
      way.next('CompleteMultipartUpload', { kind: 'refuse', status: 403, code: 'AccessDenied' });
      expect(await run()).toMatchObject({ type: 'OutputTargetRefused' });
      expect([way.met(), await uploads()]).toEqual([1, 0]);
    });

    test('leaves no part where there is no time for another attempt', async () => {
      const { run, world } = stuck();
      world.breaksAt = 10 * 1024 ** 2;
      expect(await run(undefined, { scheduleToCloseTimeoutMs: 4_000 })).toMatchObject({ type: 'StorageUnavailable', retryAfterSeconds: 5 });
      expect(await uploads()).toBe(0);
    });

    test('leaves no part when the job waits for it no more', async () => {
      expect(await stuck().run(undefined, {}, cancelStalled({ notFound: true }))).toBeDefined();
      expect([way.met(), await uploads()]).toEqual([1, 0]);
    });

    test('by its worker alone, which ends, is gone on with', async () => {
      const { run, deps, world } = stuck();
      const first = await uploadOf(deps, () => run(undefined, {}, cancelStalled({ workerShutdown: true })));
      expect(await uploads()).toBe(1);
      const [uploadId] = first.uploadIds;
      expect([...(await uploadOf(deps, () => run({ uploadId, bytes: 0 }))).uploadIds]).toEqual([uploadId]);
      expect([await uploads(), world.delivered.length]).toEqual([0, 1]);
    });

    test('is told as what it met, also where the storage does not let it be ended', async () => {
      const { run, deps } = stuck();
      Object.assign(deps.outputTargets, { abandon: () => Promise.reject(new Error('it does not answer')) });
      way.next('CompleteMultipartUpload', { kind: 'refuse', status: 403, code: 'AccessDenied' });
      expect(await run()).toMatchObject({ type: 'OutputTargetRefused' });
      expect(await uploads()).toBe(1);
    });
  });

  test('remembers an upload from its first moment', async () => {
    const { run } = aJob(aTarget(server));
    const beats: unknown[] = [];
    await run(undefined, {}, (environment) => void environment.on('heartbeat', (details) => beats.push(details)));
    expect(beats[0]).toEqual({ uploadId: expect.any(String) as string, bytes: 0 });
  });

  test('does nothing for a job that published nothing', async () => {
    const { deps, world, run } = aJob(aTarget(server));
    Object.assign(deps.deliveries, { readDeliveryOrder: async () => null });
    expect([await run(), world.reasons]).toEqual([undefined, []]);
  });
});

describe('a probe', () => {
  test('leaves nothing behind', async () => {
    const before = await bucketOf(server).keys();
    await targets.probe(aTarget(server), aJobId());
    expect(await bucketOf(server).keys()).toEqual(before);
  });

  test.each<[string, Partial<OutputTarget>, RegExp]>([
    ['a bucket that is not there', { bucket: 'nowhere' }, /the bucket does not exist: create it/],
    ['a key that is not known', { accessKeyId: 'nobody' }, /does not know the access key: correct accessKeyId/],
    ['a wrong secret', { secretAccessKey: 'hunter2hunter2' }, /does not accept the secret key: correct secretAccessKey/],
  ])('refuses %s, and says what to do', async (_what, over, expected) => {
    const failure: unknown = await targets.probe(aTarget(server, over), aJobId()).catch((err: unknown) => err);
    expect(failure).toMatchObject({ type: 'OutputTargetRefused', message: expect.stringMatching(expected), retryAfterSeconds: undefined });
    expect((failure as JobFailure).message).not.toMatch(/hunter2|nowhere|nobody|127\.0/);
  });

  test('follows no redirect, to whatever address', async () => {
    let hits = 0;
    const count = (_req: unknown, res: ServerResponse): void => {
      hits += 1;
      res.end();
    };
    const elsewhere = await listen(count, { host: '127.0.0.1', port: 0 });
    const redirecting = await listen((_req, res) => res.writeHead(307, { location: `${elsewhere.url}/x` }).end(), {
      host: '127.0.0.1',
      port: 0,
    });
    const failure: unknown = await targets.probe(aTarget(server, { endpoint: redirecting.url }), aJobId()).catch((err: unknown) => err);
    await Promise.all([elsewhere.close(), redirecting.close()]);
    expect([failure, hits]).toEqual([expect.objectContaining({ type: 'OutputTargetRefused' }), 0]);
  });

  test.each([
    ['loopback, as it is configured by default', {}],
    ['a name of it', { endpoint: 'http://localhost:9' }],
    ['link-local', { endpoint: 'http://169.254.169.254' }],
    ['a private network', { endpoint: 'https://10.0.0.1' }],
    ['an encoded address', { endpoint: 'http://2130706433' }],
  ])('does not reach %s', async (_what, over) => {
    const guarded = createOutputTargets({ outbound: { allowedNetworks: [], ...timeouts }, publicKey });
    const before = await bucketOf(server).keys();
    const failure: unknown = await guarded.probe(aTarget(server, over), aJobId()).catch((err: unknown) => err);
    await guarded.close();
    expect(failure).toMatchObject({ type: 'OutputTargetRefused', message: expect.stringMatching(/must not be reached from here/) });
    expect(await bucketOf(server).keys()).toEqual(before);
  });
});
