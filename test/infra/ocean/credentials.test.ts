import { isAllowed, mayUseEnvironment } from '../../../infra/ocean/credentials.ts';
import type { CredentialEntry, Credentials } from '../../../infra/ocean/ddo.ts';
import { JobFailure } from '../../../workflows/contract/failures.ts';

const me = `0x${'Aa'.repeat(20)}`;
const other = `0x${'bb'.repeat(20)}`;
const list = `0x${'cc'.repeat(20)}`;
const foreignList = `0x${'dd'.repeat(20)}`;
/** only `list` on chain 8996 has members: me */
const accessLists = {
  isMember: ({ chainId, contract }: { chainId: number; contract: string }, address: string) =>
    Promise.resolve(chainId === 8996 && contract.toLowerCase() === list && address === me),
};

const addresses = (...values: unknown[]): CredentialEntry => ({ type: 'address', values, chainId: null, accessList: null });
const onList = (accessList: string, chainId: number | null = null): CredentialEntry => ({
  type: 'accessList',
  values: [],
  chainId,
  accessList,
});
const unknown: CredentialEntry = { type: 'verifiableCredential', values: [me], chainId: null, accessList: null };
const credentials = (over: Partial<Credentials>): Credentials => ({ allow: [], deny: [], matchAllow: 'all', matchDeny: 'any', ...over });

describe('isAllowed', () => {
  test.each<[string, Credentials | null, boolean]>([
    ['no credentials', null, true],
    ['two empty lists', credentials({}), true],
    ['allowed by address, in another case', credentials({ allow: [addresses(me.toLowerCase())] }), true],
    ['allowed by an address that is wrapped in an object', credentials({ allow: [addresses({ address: me })] }), true],
    ['allowed by *', credentials({ allow: [addresses('*')] }), true],
    ['not on the allow list', credentials({ allow: [addresses(other)] }), false],
    ['an allow list without a readable value', credentials({ allow: [addresses(7, null, {})] }), false],
    ['denied by address', credentials({ deny: [addresses(me)] }), false],
    ['somebody else is denied', credentials({ deny: [addresses(other)] }), true],
    ['allowed and denied: deny comes first', credentials({ allow: [addresses(me)], deny: [addresses(me)] }), false],
    ['all allow entries must match by default', credentials({ allow: [addresses(me), addresses(other)] }), false],
    [
      'one allow entry is enough when the document says any',
      credentials({ allow: [addresses(me), addresses(other)], matchAllow: 'any' }),
      true,
    ],
    ['one deny entry is enough by default', credentials({ deny: [addresses(me), addresses(other)] }), false],
    [
      'all deny entries are needed when the document says all',
      credentials({ deny: [addresses(me), addresses(other)], matchDeny: 'all' }),
      true,
    ],
    ['member of an access list', credentials({ allow: [onList(list)] }), true],
    ['member of an access list on its own chain only', credentials({ allow: [onList(list, 1)] }), false],
    ['not a member', credentials({ allow: [onList(foreignList)] }), false],
    ['denied by an access list', credentials({ deny: [onList(list)] }), false],
    ['an access list that is no address', credentials({ allow: [onList('nonsense')] }), false],
    ['an unknown type in allow never matches', credentials({ allow: [unknown] }), false],
    ['an unknown type in deny never matches', credentials({ deny: [unknown] }), true],
  ])('%s', async (_name, given, expected) => {
    await expect(isAllowed(given, { address: me, chainId: 8996, accessLists })).resolves.toBe(expected);
  });

  test('an outage of an access list is told as an outage, not as a denial', async () => {
    const outage = new JobFailure('ChainUnavailable', 'down', { retryAfterSeconds: 1 });
    const down = { isMember: () => Promise.reject(outage) };
    await expect(isAllowed(credentials({ allow: [onList(list)] }), { address: me, chainId: 1, accessLists: down })).rejects.toBe(outage);
  });
});

describe('mayUseEnvironment', () => {
  test.each<[string, { addresses: string[]; accessLists: Record<string, string[]>[] }, boolean]>([
    ['no entry at all', { addresses: [], accessLists: [] }, true],
    ['listed by address', { addresses: [me.toLowerCase()], accessLists: [] }, true],
    ['not listed', { addresses: [other], accessLists: [] }, false],
    ['member of a list', { addresses: [other], accessLists: [{ 8996: [foreignList, list] }] }, true],
    ['member on another chain', { addresses: [], accessLists: [{ 1: [list] }] }, false],
  ])('%s', async (_name, access, expected) => {
    await expect(mayUseEnvironment(access, me, accessLists)).resolves.toBe(expected);
  });
});
