import type { ComputeRules, TrustedAlgorithm } from '../../../infra/ocean/ddo.ts';
import { judgeAlgorithm, type TrustVerdict } from '../../../infra/ocean/trust.ts';

const did = `did:op:${'a'.repeat(64)}`;
const algorithm = { did, serviceId: 's1', nftAddress: '0xAbC1', nftOwner: '0xDeF2', containerSectionChecksum: 'c0' };

const rules = (over: Partial<ComputeRules> = {}): ComputeRules => ({
  allowRawAlgorithm: false,
  allowNetworkAccess: false,
  trustedAlgorithms: [],
  trustedPublishers: [],
  ...over,
});
const entry = (over: Partial<TrustedAlgorithm> = {}): TrustedAlgorithm => ({
  did,
  filesChecksum: 'F1',
  containerSectionChecksum: 'C0',
  serviceId: null,
  ...over,
});
const refused = (reason: string) => ({ allowed: false, reason }) as TrustVerdict;
const allowed = (...filesChecksums: (string | null)[]) => ({ allowed: true, filesChecksums }) as TrustVerdict;
const listed = (...trustedAlgorithms: ComputeRules['trustedAlgorithms']) => rules({ trustedAlgorithms });
const published = (...trustedPublishers: string[]) => rules({ trustedPublishers });

describe('judgeAlgorithm', () => {
  test.each<[string, ComputeRules, TrustVerdict]>([
    ['two empty lists allow nothing', rules(), refused('notTrusted')],
    ['a plain * allows anything', listed('*'), allowed(null)],
    ['a named algorithm is allowed with its files’ checksum', listed(entry()), allowed('f1')],
    ['another algorithm is not', listed(entry({ did: 'did:op:other' })), refused('notTrusted')],
    ['* as did names any algorithm', listed(entry({ did: '*' })), allowed('f1')],
    ['* as checksum takes any files', listed(entry({ filesChecksum: '*' })), allowed(null)],
    ['* as checksum takes any container', listed(entry({ containerSectionChecksum: '*' })), allowed('f1')],
    ['another container is refused', listed(entry({ containerSectionChecksum: 'c1' })), refused('containerChecksum')],
    ['an entry without a files’ checksum matches nothing', listed(entry({ filesChecksum: null })), refused('notTrusted')],
    ['an entry with an empty checksum matches nothing', listed(entry({ filesChecksum: '' })), refused('notTrusted')],
    ['an entry without a container checksum matches nothing', listed(entry({ containerSectionChecksum: null })), refused('notTrusted')],
    ['an entry for this service', listed(entry({ serviceId: 's1' })), allowed('f1')],
    ['an entry for any service', listed(entry({ serviceId: '*' })), allowed('f1')],
    ['an entry for another service matches nothing', listed(entry({ serviceId: 's2' })), refused('notTrusted')],
    ['several entries offer several checksums', listed(entry(), entry({ filesChecksum: 'f2' })), allowed('f1', 'f2')],
    ['a trusted owner, in any case', published('0xdef2'), allowed(null)],
    ['a trusted NFT address', published('0xABC1'), allowed(null)],
    ['any publisher', published('*'), allowed(null)],
    ['another publisher', published('0x9'), refused('publisherNotTrusted')],
    [
      'both lists must match: only the publisher does',
      rules({ trustedAlgorithms: [entry({ did: 'x' })], trustedPublishers: ['*'] }),
      refused('notTrusted'),
    ],
    [
      'both lists must match: only the algorithm does',
      rules({ trustedAlgorithms: ['*'], trustedPublishers: ['0x9'] }),
      refused('publisherNotTrusted'),
    ],
    ['both lists match', rules({ trustedAlgorithms: [entry()], trustedPublishers: ['0xdef2'] }), allowed('f1')],
  ])('%s', (_name, given, verdict) => {
    expect(judgeAlgorithm(given, algorithm, { legacy: false })).toEqual(verdict);
  });

  test.each<[string, ComputeRules, TrustVerdict]>([
    ['two empty lists allow everything', rules(), allowed(null)],
    [
      'an entry without checksums does not check them',
      listed(entry({ filesChecksum: null, containerSectionChecksum: null })),
      allowed(null),
    ],
    ['a checksum that is there is checked', listed(entry({ containerSectionChecksum: 'c1' })), refused('containerChecksum')],
  ])('under the legacy rule %s', (_name, given, verdict) => {
    expect(judgeAlgorithm(given, algorithm, { legacy: true })).toEqual(verdict);
  });
});
