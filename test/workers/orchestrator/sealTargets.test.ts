import { findSealTargets, type SealSurroundings } from '../../../workers/orchestrator/sealTargets.ts';

const surroundings: SealSurroundings = {
  gatewayUrl: 'http://gateway.c2d.svc:8080',
  apiUrl: 'https://10.96.0.1:443',
  resolvConf: '# cluster DNS\nsearch c2d.svc.cluster.local\nnameserver 10.96.0.10\nnameserver\toops\noptions ndots:5\n',
  others: [],
};
const addresses: Readonly<Record<string, readonly string[]>> = { 'gateway.c2d.svc': ['10.96.1.1'], 'db.local': ['10.0.0.1', 'fd00::1'] };
const resolve = async (host: string): Promise<readonly string[]> => {
  const found = addresses[host];
  if (found === undefined) throw new Error(`no address of ${host}`);
  return found;
};
const found = async (over: Partial<SealSurroundings> = {}): Promise<readonly string[]> =>
  (await findSealTargets({ ...surroundings, ...over }, resolve)).map(({ kind, host, port }) => `${kind} ${host} ${port}`);

describe('what a self-test tries to reach', () => {
  test('is named by address: pods resolve no names', async () => {
    expect(await found()).toEqual(['gateway 10.96.1.1 8080', 'tcp 10.96.0.1 443', 'dns 10.96.0.10 53']);
  });

  test('is every address of a name, and what the operator adds', async () => {
    expect(await found({ others: ['db.local:5432', '[fd00::2]:6443'] })).toEqual(
      expect.arrayContaining(['tcp 10.0.0.1 5432', 'tcp fd00::1 5432', 'tcp fd00::2 6443']),
    );
  });

  test.each<[string, Partial<SealSurroundings>]>([
    ['a name server of this machine', { resolvConf: 'nameserver 127.0.0.53\n' }],
    ['an API of this machine', { apiUrl: 'https://127.0.0.1:6443', resolvConf: '' }],
    ['an API that is not known', { apiUrl: null, resolvConf: '' }],
  ])('is not %s: a loopback address is the pod itself', async (_what, over) => {
    expect((await found(over)).filter((target) => target.includes('127.'))).toEqual([]);
  });

  test('has the usual ports where a URL names none', async () => {
    expect(await found({ gatewayUrl: 'http://10.1.1.1', apiUrl: 'https://[fd00::1]', resolvConf: '' })).toEqual([
      'gateway 10.1.1.1 80',
      'tcp fd00::1 443',
    ]);
  });

  test('must be known: a name without an address is a reason to try again, not to leave it out', async () => {
    await expect(found({ others: ['nowhere:1'] })).rejects.toThrow('no address of nowhere');
  });
});
