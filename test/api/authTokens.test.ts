import type { Wallet } from 'ethers';
import { getBytes, id } from 'ethers';
import { createApp } from '../../api/app.ts';
import type { SignedCommand } from '../../api/authentication.ts';
import { createTokens } from '../../api/tokens.ts';
import { createJwts } from '../../infra/crypto/jwt.ts';
import { status } from '../../workflows/contract/status.ts';
import { aDid, aSpec, anAddress } from '../support/builders.ts';
import { aKeyring, openTestLedger, type TestLedger } from '../support/databases.ts';
import { aJobRow, aWorld } from './support/fakes.ts';
import { aWallet, call, post, sign, signed } from './support/consumer.ts';

let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(() => opened.close());
beforeEach(() => opened.connection.pool.query('delete from invalidated_tokens'));

const longestSeconds = 3_600;
const createPath = '/api/services/auth/token';
const invalidatePath = '/api/services/auth/token/invalidate';

/** Tokens are kept in a real ledger; `clock` can be moved. */
const aTokenWorld = () => {
  const clock = { nowMs: Date.now() };
  const tokens = createTokens({ jwts: createJwts(opened.keyring), ledger: opened.ledger, longestSeconds, now: () => clock.nowMs });
  const world = aWorld({ tokens });
  return { ...world, tokens, clock, app: createApp(world.deps) };
};
type TokenWorld = ReturnType<typeof aTokenWorld>;

let lastNonce = Date.now();
const credentials = (wallet: Wallet, command: SignedCommand) => {
  const nonce = String((lastNonce += 1));
  return { address: wallet.address, nonce, signature: sign(wallet, nonce, command) };
};
const create = (world: TokenWorld, wallet: Wallet, over: object = {}) =>
  post(world.app, createPath, { ...credentials(wallet, 'createAuthToken'), ...over });
const aToken = async (world: TokenWorld, wallet: Wallet): Promise<string> => (await create(world, wallet)).body.token as string;
const invalidate = (world: TokenWorld, wallet: Wallet, token: string, over: object = {}) =>
  post(world.app, invalidatePath, { ...credentials(wallet, 'invalidateAuthToken'), token, ...over });
const payloadOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;

describe('POST auth/token', () => {
  test('answers a token that says whose it is and when it ends', async () => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const response = await create(world, wallet);
    expect(response.status).toBe(200);
    expect(payloadOf(response.body.token)).toEqual({
      address: wallet.address,
      nonce: String(lastNonce),
      createdAt: world.clock.nowMs,
      exp: Math.floor(world.clock.nowMs / 1_000) + longestSeconds,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(await world.tokens.verify(response.body.token)).toEqual({ address: wallet.address });
  });

  test.each<[string, (nowMs: number) => unknown, number]>([
    ['seconds', (nowMs) => Math.floor(nowMs / 1_000) + 60, 60],
    ['milliseconds', (nowMs) => Math.floor(nowMs / 1_000) * 1_000 + 60_000, 60],
    ['text', (nowMs) => String(Math.floor(nowMs / 1_000) + 60), 60],
    ['longer than allowed', (nowMs) => Math.floor(nowMs / 1_000) + 10 * longestSeconds, longestSeconds],
    ['null', () => null, longestSeconds],
  ])('validUntil in %s is granted within the limit', async (_what, validUntil, seconds) => {
    const world = aTokenWorld();
    const { body } = await create(world, aWallet(), { validUntil: validUntil(world.clock.nowMs) });
    expect(payloadOf(body.token)['exp']).toBe(Math.floor(world.clock.nowMs / 1_000) + seconds);
  });

  test.each<[string, Record<string, unknown>, number, string]>([
    ['no address', { address: undefined }, 400, 'Missing required parameters'],
    ['no nonce', { nonce: null }, 400, 'Missing required parameters'],
    ['no signature', { signature: 'null' }, 400, 'Missing required parameters'],
    ['an address that is none', { address: 'me' }, 400, 'Parameter : "consumerAddress" is not a valid web3 address'],
    ['another address', { address: anAddress() }, 401, 'consumer address and nonce signature mismatch'],
    ['an end in the past', { validUntil: 1 }, 400, 'validUntil is in the past: leave it out, or name a later time'],
    ['an end that is no time', { validUntil: 'soon' }, 400, 'validUntil is no time in seconds since the epoch'],
    ['a negative end', { validUntil: -5 }, 400, 'validUntil is no time in seconds since the epoch'],
  ])('%s is refused and spends nothing', async (_what, over, code, error) => {
    const world = aTokenWorld();
    const response = await create(world, aWallet(), over);
    expect([response.status, response.body]).toEqual([code, { error }]);
    expect(world.ledger.nonces.size).toBe(0);
  });

  test('a signature of another call makes no token, nor does address and nonce alone', async () => {
    const world = aTokenWorld();
    const wallet = aWallet();
    for (const text of [`${wallet.address}5stopCompute`, `${wallet.address}5`, `${wallet.address}5invalidateAuthToken`]) {
      const signature = wallet.signMessageSync(getBytes(id(text)));
      const response = await post(world.app, createPath, { address: wallet.address, nonce: '5', signature });
      expect([response.status, response.body.error]).toEqual([401, 'consumer address and nonce signature mismatch']);
    }
  });

  test('a nonce makes one token', async () => {
    const world = aTokenWorld();
    const body = credentials(aWallet(), 'createAuthToken');
    expect((await post(world.app, createPath, body)).status).toBe(200);
    const again = await post(world.app, createPath, body);
    expect([again.status, again.body]).toEqual([401, { error: `nonce: ${body.nonce} is not a valid nonce` }]);
  });

  test('a token makes no token', async () => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const token = await aToken(world, wallet);
    const response = await call(world.app, 'post', createPath, (test) =>
      test.set('Authorization', token).send({ address: wallet.address }),
    );
    expect([response.status, response.body.error]).toEqual([400, 'Missing required parameters']);
  });
});

describe('POST auth/token/invalidate', () => {
  test.each<[string, (wallet: Wallet) => object]>([
    ['with its command', () => ({})],
    [
      'as every released client signs it, without a command',
      (wallet) => {
        const nonce = String((lastNonce += 1));
        return { nonce, signature: wallet.signMessageSync(getBytes(id(`${wallet.address}${nonce}`))) };
      },
    ],
  ])('signed %s ends the token, in every process', async (_what, over) => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const token = await aToken(world, wallet);
    const response = await invalidate(world, wallet, token, over(wallet));
    expect([response.status, response.body]).toEqual([200, { success: true }]);
    await expect(world.tokens.verify(token)).rejects.toMatchObject({ status: 401, message: 'Invalid token' });
    await expect(aTokenWorld().tokens.verify(token)).rejects.toMatchObject({ status: 401 });
    expect(await world.tokens.examine(token)).toMatchObject({ kind: 'invalidated' });
  });

  test('again is no error, and another token of the address lives on', async () => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const [one, other] = [await aToken(world, wallet), await aToken(world, wallet)];
    await invalidate(world, wallet, one);
    expect((await invalidate(world, wallet, one)).status).toBe(200);
    expect(await world.tokens.verify(other)).toEqual({ address: wallet.address });
  });

  test("nobody ends another's token", async () => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const token = await aToken(world, wallet);
    const response = await invalidate(world, aWallet(), token);
    expect([response.status, response.body]).toEqual([403, { error: 'The token belongs to another address' }]);
    expect(await world.tokens.verify(token)).toEqual({ address: wallet.address });
  });

  test.each(['eyJ.x.y', 'x', 17])('%p is no token of this service', async (token) => {
    const response = await invalidate(aTokenWorld(), aWallet(), token as string);
    expect([response.status, response.body]).toEqual([401, { error: 'Invalid token' }]);
  });

  test.each(['address', 'nonce', 'signature', 'token'])('without %s it is refused', async (field) => {
    const response = await invalidate(aTokenWorld(), aWallet(), 'x', { [field]: undefined });
    expect([response.status, response.body]).toEqual([400, { error: 'Missing required parameters' }]);
  });

  test('the ledger forgets tokens that have ended long ago', async () => {
    const world = aTokenWorld();
    await opened.ledger.invalidateToken('old', Date.now() - 3 * 86_400_000);
    const wallet = aWallet();
    await invalidate(world, wallet, await aToken(world, wallet));
    const { rows } = await opened.connection.pool.query<{ token_id: string }>('select token_id from invalidated_tokens');
    expect(rows).toHaveLength(1);
    expect(rows[0]!.token_id).not.toBe('old');
  });
});

/** Every call that a token may stand for, on the job of `owner`. */
const tokenCalls: readonly (readonly [string, 'get' | 'put' | 'post', string, (jobId: string) => Record<string, string>])[] = [
  ['stop', 'put', '/api/services/compute', (jobId) => ({ jobId })],
  ['result', 'get', '/api/services/computeResult', (jobId) => ({ jobId, index: '0' })],
  ['logs', 'get', '/api/services/computeStreamableLogs', (jobId) => ({ jobId })],
];

const aFreeStart = (over: object = {}) => ({
  ...{ environment: 'small', datasets: [], algorithm: { documentId: aDid(), serviceId: 'algorithm' } },
  ...over,
});

/** A job with a result, and a log that ends at once. */
const aFinishedJob = (world: TokenWorld, owner: string, running: boolean) => {
  const row = world.ledger.put(
    aJobRow({
      owner,
      status: running ? status.running : status.finished,
      finishedAtMs: running ? null : Date.now(),
      results: [{ index: 0, filename: 'a', filesize: 5, type: 'output', n: 0, sha256: 'ab'.repeat(32) }],
    }),
  );
  world.files.set(`${row.jobId}/1/0`, Buffer.from('hello'));
  return row;
};

describe('what else a token is good for', () => {
  test('encrypt', async () => {
    const world = aTokenWorld();
    const token = await aToken(world, aWallet());
    const send = (authorization: string) =>
      call(world.app, 'post', '/api/services/encrypt', (test) =>
        test.set('Authorization', authorization).set('Content-Type', 'application/octet-stream').send('x'),
      );
    expect([(await send(token)).status, (await send(`${token}x`)).status]).toEqual([200, 401]);
  });

  test('a viewer reads results and logs, and stops nothing', async () => {
    const world = aTokenWorld();
    const viewer = aWallet();
    const token = await aToken(world, viewer);
    const { jobId } = aFinishedJob(world, anAddress(), true);
    world.ledger.change(jobId, { additionalViewers: [viewer.address.toLowerCase()] });
    world.ledger.endWhenFollowed(jobId);
    const ask = async (method: 'get' | 'put', path: string, query: object = {}) =>
      (await call(world.app, method, `/api/services/${path}`, (test) => test.query({ jobId, ...query }).set('Authorization', token)))
        .status;
    expect(await ask('put', 'compute')).toBe(403);
    expect(await ask('get', 'computeStreamableLogs')).toBe(200);
    expect(await ask('get', 'computeResult', { index: '0' })).toBe(200);
    expect(world.jobs.stopped).toEqual([]);
  });
});

describe('calls with a token', () => {
  const callWith = (world: TokenWorld, index: number, jobId: string, token: string, over: Record<string, string> = {}) => {
    const [, method, path, query] = tokenCalls[index]!;
    return call(world.app, method, path, (test) => test.query({ ...query(jobId), ...over }).set('Authorization', token));
  };

  test.each([0, 1])('%p: stop and result work, without spending a nonce', async (index) => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const { jobId } = aFinishedJob(world, wallet.address, index === 0);
    const token = await aToken(world, wallet);
    const nonces = new Map(world.ledger.nonces);
    for (const [sent, over] of [
      [token, {}],
      [`Bearer ${token}`, { consumerAddress: wallet.address.toLowerCase() }],
      [`bearer ${token}`, { consumerAddress: wallet.address, nonce: '1', signature: 'null' }],
    ] as const) {
      expect((await callWith(world, index, jobId, sent, over)).status).toBe(200);
    }
    expect(world.ledger.nonces).toEqual(nonces);
  });

  test('the log is streamed to the holder', async () => {
    const world = aTokenWorld();
    const wallet = aWallet();
    const { jobId } = aFinishedJob(world, wallet.address, true);
    world.ledger.writeLog(jobId, 'words');
    world.ledger.endWhenFollowed(jobId);
    const response = await callWith(world, 2, jobId, await aToken(world, wallet));
    expect([response.status, Buffer.from(response.body as Buffer).toString()]).toEqual([200, 'words']);
  });

  const bad: readonly (readonly [string, (world: TokenWorld, owner: Wallet) => Promise<string>, number])[] = [
    ['of another address', async (world) => aToken(world, aWallet()), 403],
    [
      'that was invalidated',
      async (world, owner) => {
        const token = await aToken(world, owner);
        await invalidate(world, owner, token);
        return token;
      },
      401,
    ],
    [
      'that has expired',
      async (world, owner) => {
        const token = await aToken(world, owner);
        world.clock.nowMs += (longestSeconds + 1) * 1_000;
        return token;
      },
      401,
    ],
    ['cut short', async (world, owner) => (await aToken(world, owner)).slice(0, -2), 401],
    [
      'without a signature',
      async (world, owner) => {
        const [, body] = (await aToken(world, owner)).split('.');
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
      },
      401,
    ],
    [
      'of another service',
      async (world, owner) => {
        const others = createTokens({ jwts: createJwts(aKeyring()), ledger: world.ledger, longestSeconds });
        return others.issue({ address: owner.address, nonce: '1', validUntilMs: null });
      },
      401,
    ],
    ['"undefined"', async () => 'undefined', 401],
    ['"null"', async () => 'null', 401],
    ['"Bearer"', async () => 'Bearer', 401],
    ['"Bearer undefined"', async () => 'Bearer undefined', 401],
  ];

  describe.each(tokenCalls.map(([name], index) => [name, index] as const))('%s', (_name, index) => {
    test.each(bad)('a token %s is refused', async (_what, make, code) => {
      const world = aTokenWorld();
      const owner = aWallet();
      const { jobId } = aFinishedJob(world, owner.address, index !== 1);
      const response = await callWith(world, index, jobId, await make(world, owner));
      expect(response.status).toBe(code);
      expect(world.jobs.stopped).toEqual([]);
    });

    test('a token is good for its own address only, whatever consumerAddress says', async () => {
      const world = aTokenWorld();
      const owner = aWallet();
      const { jobId } = aFinishedJob(world, owner.address, index !== 1);
      const response = await callWith(world, index, jobId, await aToken(world, aWallet()), { consumerAddress: owner.address });
      expect([response.status, response.body]).toEqual([401, { error: 'Invalid token: it was made for another consumerAddress' }]);
    });

    test('a bad signature is not saved by a good token', async () => {
      const world = aTokenWorld();
      const owner = aWallet();
      const { jobId } = aFinishedJob(world, owner.address, index !== 1);
      const response = await callWith(world, index, jobId, await aToken(world, owner), signed(owner, lastNonce + 100, 'encrypt'));
      expect([response.status, response.body]).toEqual([401, { error: 'consumer address and nonce signature mismatch' }]);
    });
  });

  describe('start', () => {
    const start = (world: TokenWorld, token: string, over: object = {}) =>
      call(world.app, 'post', '/api/services/freeCompute', (test) => test.set('Authorization', token).send(aFreeStart(over)));

    test('each request is a new job of the holder, also when it is the same', async () => {
      const world = aTokenWorld();
      const wallet = aWallet();
      const token = await aToken(world, wallet);
      const nonces = new Map(world.ledger.nonces);
      const algorithm = { documentId: aDid(), serviceId: 'algorithm' };
      const first = await start(world, token, { algorithm });
      const second = await start(world, token, { algorithm, consumerAddress: wallet.address, signature: null, nonce: '1' });
      const third = await start(world, token, { algorithm });
      expect([first.status, second.status, third.status]).toEqual([200, 200, 200]);
      expect(new Set([first, second, third].map(({ body }) => body[0].jobId as string)).size).toBe(3);
      expect(third.body[0].owner).toBe(wallet.address);
      expect(world.ledger.nonces).toEqual(nonces);
    });

    test('a paid start takes a token too', async () => {
      const world = aTokenWorld();
      const token = await aToken(world, aWallet());
      const body = aFreeStart({ maxJobDuration: 60, chainId: 8996 });
      const response = await call(world.app, 'post', '/api/services/compute', (test) => test.set('Authorization', token).send(body));
      expect([response.status, response.body[0]?.isFree]).toEqual([200, false]);
    });

    test.each(bad.filter(([, , code]) => code === 401))('a token %s starts nothing', async (_what, make) => {
      const world = aTokenWorld();
      const response = await start(world, await make(world, aWallet()));
      expect(response.status).toBe(401);
      expect(world.jobs.started).toEqual([]);
    });

    test("another's address is refused", async () => {
      const world = aTokenWorld();
      const response = await start(world, await aToken(world, aWallet()), { consumerAddress: anAddress() });
      expect([response.status, response.body]).toEqual([401, 'Invalid token: it was made for another consumerAddress']);
    });

    test('a refusal of the environment spends nothing', async () => {
      const world = aTokenWorld();
      const token = await aToken(world, aWallet());
      const nonces = new Map(world.ledger.nonces);
      expect((await start(world, token, { environment: 'nowhere' })).body).toBe('Invalid C2D Environment');
      expect(world.ledger.nonces).toEqual(nonces);
    });
  });

  describe('status', () => {
    const ask = (world: TokenWorld, token: string, query: Record<string, string> = {}) =>
      call(world.app, 'get', '/api/services/compute', (test) => test.query(query).set('Authorization', token));

    test('lists the jobs of the holder and nobody else', async () => {
      const world = aTokenWorld();
      const wallet = aWallet();
      const token = await aToken(world, wallet);
      const own = world.ledger.put(aJobRow({ owner: wallet.address }));
      const others = world.ledger.put(aJobRow());
      const idsOf = async (query: Record<string, string> = {}): Promise<string[]> =>
        (await ask(world, token, query)).body.map(({ jobId }: { jobId: string }) => jobId);
      expect(await idsOf()).toEqual([own.jobId]);
      expect(await idsOf({ consumerAddress: wallet.address })).toEqual([own.jobId]);
      expect(await idsOf({ jobId: own.jobId })).toEqual([own.jobId]);
      expect(await idsOf({ jobId: others.jobId })).toEqual([]);
      expect(await idsOf({ consumerAddress: others.owner })).toEqual([]);
    });

    test('a dead token is refused, though the same question without one is answered', async () => {
      const world = aTokenWorld();
      const wallet = aWallet();
      const token = await aToken(world, wallet);
      await invalidate(world, wallet, token);
      const { jobId } = world.ledger.put(aJobRow({ owner: wallet.address }));
      expect((await ask(world, token, { jobId })).status).toBe(401);
      expect((await ask(world, 'undefined', { jobId })).body).toHaveLength(1);
    });
  });
});

describe('reserving a job without a nonce', () => {
  test('writes the row, and leaves the nonce of the address alone', async () => {
    const spec = aSpec();
    expect(await opened.ledger.reserveJob({ spec, nonce: null })).toEqual({ kind: 'new' });
    expect(await opened.ledger.reserveJob({ spec, nonce: null })).toEqual({ kind: 'same' });
    expect(await opened.ledger.readJob(spec.jobId)).toMatchObject({ jobId: spec.jobId, admission: 'pending' });
    expect(await opened.ledger.nonceOf(spec.consumerAddress)).toBeNull();
  });
});
