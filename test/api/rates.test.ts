import request from 'supertest';
import { createApp } from '../../api/app.ts';
import { apiConfig } from '../../api/config.ts';
import { createBuckets, createRates, keyOfIp, type RateSettings } from '../../api/rates.ts';
import { aJobRow, aWorld } from './support/fakes.ts';
import { aWallet, call, post, sign, signed } from './support/consumer.ts';

const clock = () => {
  const time = { nowMs: 0 };
  return { time, now: () => time.nowMs };
};

/** A world with limits, and a clock that stands still. */
const aLimitedWorld = (settings: Partial<RateSettings>) => {
  const { time, now } = clock();
  const world = aWorld({ rates: createRates({ perIpPerMinute: 0, perAddressPerMinute: 0, trustedProxies: [], now, ...settings }) });
  return { ...world, time, app: createApp(world.deps) };
};

describe('a bucket', () => {
  test('holds a minute of requests, and fills steadily', () => {
    const { time, now } = clock();
    const take = createBuckets(60, now);
    expect(Array.from({ length: 60 }, () => take('a')).every((wait) => wait === 0)).toBe(true);
    expect(take('a')).toBe(1);
    expect(take('b')).toBe(0);
    time.nowMs += 1_000;
    expect([take('a'), take('a')]).toEqual([0, 1]);
    time.nowMs += 3_600_000;
    expect(Array.from({ length: 61 }, () => take('a')).filter((wait) => wait === 0)).toHaveLength(60);
  });

  test('tells how long to wait, and waiting so long is enough', () => {
    const { time, now } = clock();
    const take = createBuckets(2, now);
    take('a');
    take('a');
    const wait = take('a');
    expect(wait).toBe(30);
    time.nowMs += wait * 1_000;
    expect(take('a')).toBe(0);
  });

  test('of whoever was away longest is forgotten when there are too many', () => {
    const take = createBuckets(1, () => 0, 2);
    take('a');
    take('b');
    expect(take('a')).toBeGreaterThan(0);
    take('c');
    expect(take('b')).toBe(0);
    expect(take('c')).toBeGreaterThan(0);
  });
});

describe('the key of an IP address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('%s counts as %s', (ip, key) => {
    expect(keyOfIp(ip)).toBe(key);
  });
});

describe('requests of one IP address', () => {
  test('are limited, with the time to wait; health is not', async () => {
    const { app, time } = aLimitedWorld({ perIpPerMinute: 2 });
    for (let times = 0; times < 2; times += 1) expect((await request(app).get('/')).status).toBe(200);
    const refused = await call(app, 'get', '/');
    expect([refused.status, refused.body, refused.headers['retry-after']]).toEqual([
      429,
      { error: 'Rate limit exceeded: too many requests from this IP address, try again in 30 s' },
      '30',
    ]);
    expect((await request(app).get('/health/live')).status).toBe(200);
    time.nowMs += 30_000;
    expect((await request(app).get('/')).status).toBe(200);
  });

  test('a start is refused in its own form', async () => {
    const { app } = aLimitedWorld({ perIpPerMinute: 1 });
    await request(app).get('/');
    expect(await post(app, '/api/services/compute', {})).toMatchObject({
      status: 429,
      body: expect.stringMatching(/^Rate limit exceeded/),
    });
  });

  test.each<[string, readonly string[], string, number]>([
    ['of anybody is not believed', [], '203.0.113.1, 203.0.113.2', 429],
    ['of another proxy is not believed', ['10.0.0.0/8'], '203.0.113.1, 203.0.113.2', 429],
    ['of a configured proxy is believed', ['127.0.0.0/8', '::1'], '203.0.113.1, 203.0.113.2', 200],
  ])('X-Forwarded-For %s', async (_what, trustedProxies, forwarded, code) => {
    const { app } = aLimitedWorld({ perIpPerMinute: 1, trustedProxies });
    const statuses = [];
    for (const client of forwarded.split(', ')) statuses.push((await request(app).get('/').set('X-Forwarded-For', client)).status);
    expect(statuses).toEqual([200, code]);
  });

  test('what a client puts in front of the proxy’s own word counts for nothing', async () => {
    const { app } = aLimitedWorld({ perIpPerMinute: 1, trustedProxies: ['127.0.0.1', '::1'] });
    const statuses = [];
    for (const forged of ['1.1.1.1', '2.2.2.2']) {
      statuses.push((await request(app).get('/').set('X-Forwarded-For', `${forged}, 203.0.113.9`)).status);
    }
    expect(statuses).toEqual([200, 429]);
  });
});

describe('requests of one consumer', () => {
  const stop = (app: ReturnType<typeof createApp>, query: object) => call(app, 'put', '/api/services/compute', (put) => put.query(query));

  test('are limited once the signature is good; the same request is good later, because its nonce is not spent', async () => {
    const { app, ledger, time } = aLimitedWorld({ perAddressPerMinute: 1 });
    const wallet = aWallet();
    const { jobId } = ledger.put(aJobRow({ owner: wallet.address }));
    expect((await stop(app, { ...signed(wallet, 1, 'stopCompute'), jobId })).status).toBe(200);
    const second = { ...signed(wallet, 2, 'stopCompute'), jobId };
    const refused = await stop(app, second);
    expect([refused.status, refused.body.error, refused.headers['retry-after']]).toEqual([
      429,
      'Rate limit exceeded: too many requests of this consumer, try again in 60 s',
      '60',
    ]);
    time.nowMs += 60_000;
    expect((await stop(app, second)).status).toBe(200);
  });

  test('nobody uses up the share of another by naming it', async () => {
    const { app, ledger } = aLimitedWorld({ perAddressPerMinute: 1 });
    const wallet = aWallet();
    const { jobId } = ledger.put(aJobRow({ owner: wallet.address }));
    const forged = { ...signed(wallet, 1, 'stopCompute'), signature: sign(aWallet(), 1, 'stopCompute'), jobId };
    for (let times = 0; times < 3; times += 1) expect((await stop(app, forged)).status).toBe(401);
    expect((await stop(app, { ...signed(wallet, 1, 'stopCompute'), jobId })).status).toBe(200);
  });

  test('tokens count as their address, in any spelling', async () => {
    const { app, deps, ledger } = aLimitedWorld({ perAddressPerMinute: 2 });
    const wallet = aWallet();
    ledger.put(aJobRow({ owner: wallet.address }));
    const tokens = [wallet.address, wallet.address.toLowerCase(), wallet.address].map((address) =>
      deps.tokens.issue({ address, nonce: '1', validUntilMs: null }),
    );
    const statuses = [];
    for (const token of tokens) {
      statuses.push((await call(app, 'get', '/api/services/compute', (get) => get.set('Authorization', token))).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
  });
});

describe('C2D_API_TRUSTED_PROXIES', () => {
  const { C2D_API_TRUSTED_PROXIES: key } = apiConfig.shape;
  test.each(['10.0.0.0/8', '::1', 'fd00::/8, 192.0.2.7', ''])('%p is a list of networks', (text) => {
    expect(key.safeParse(text).success).toBe(true);
  });
  test.each(['10.0.0.0/33', 'proxy.example', '10.0.0', '::1/129', 'true', '10.0.0.0/8/8'])('%p is not', (text) => {
    expect(key.safeParse(text).success).toBe(false);
  });
});
