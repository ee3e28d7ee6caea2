import { assetPart, readLegacyAsset, refuseEncryptedAsset, requireAssetOffer, type AssetContext } from '../../api/publishing.ts';
import { anEnvironment } from '../infra/ocean/support/world.ts';

const consumerAddress = `0x${'c'.repeat(40)}`;
const other = `0x${'d'.repeat(40)}`;
const terms = { chainId: 8996, serviceEndpoint: 'https://c2d.example.org' };

const context = (assets: object | undefined, isFree = false): AssetContext => ({
  environment: anEnvironment(assets === undefined ? {} : { assets: { ...terms, ...assets } }),
  ...{ consumerAddress, isFree },
});

describe("older clients' output", () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['no wish', { publishAlgorithmLog: true, owner: other }],
    ['an explicit no', { publishOutput: false }],
    ['a wish that is no boolean', { publishOutput: 'true' }],
  ])('with %s asks for no asset', (_name, output) => {
    expect(readLegacyAsset(output)).toBeNull();
  });

  test('is read with all that clients may say', () => {
    const output = {
      publishOutput: true,
      publishAlgorithmLog: true,
      owner: other,
      whitelist: [other],
      metadata: { name: 'mine', more: 1 },
    };
    expect(readLegacyAsset({ ...output, nodeUri: 'x' })).toMatchObject({
      ...{ owner: other, allow: [other], algorithmLog: true },
      metadata: { name: 'mine', tags: [] },
    });
  });

  test.each([
    ['an owner that is no address', { owner: 'me' }],
    ['the zero address as owner', { owner: `0x${'0'.repeat(40)}` }],
    ['a list of names', { whitelist: ['me'] }],
    ['a name without end', { metadata: { name: 'x'.repeat(300) } }],
  ])('with %s is refused', (_name, over) => {
    expect(() => readLegacyAsset({ publishOutput: true, ...over })).toThrow();
  });
});

describe('the asset of a job', () => {
  const asked = readLegacyAsset({ publishOutput: true });

  test.each<[string, typeof asked, AssetContext, boolean]>([
    ['asked for where it is offered', asked, context({}), true],
    ['asked for where it is not', asked, context(undefined), false],
    ['not asked for', null, context({}), false],
    ['not asked for where it is always made', null, context({ publish: 'always' }), true],
    ['of a free job', asked, context({}, true), false],
    ['of a free job where these are offered', asked, context({ freeJobs: true }, true), true],
    ['of a free job that did not ask, where only paid ones are', null, context({ publish: 'always' }, true), false],
  ])('%s', (_name, wish, where, isMade) => {
    expect(assetPart(wish, where).asset !== undefined).toBe(isMade);
  });

  test.each([
    ['the one it names', { owner: other }, {}, other],
    ["the operator's where it names none", {}, { owner: other }, other],
    ['its consumer otherwise', {}, {}, consumerAddress],
  ])('belongs to %s', (_name, over, offer, owner) => {
    expect(assetPart(readLegacyAsset({ publishOutput: true, ...over }), context(offer)).asset?.owner).toBe(owner);
  });

  test('is refused with the remedy where it is not offered and ignoring it would break a promise', () => {
    expect(() => requireAssetOffer(asked, context(undefined))).toThrow(/makes no assets of outputs: leave out publishOutput/);
    expect(() => requireAssetOffer(asked, context({}, true))).toThrow(/of free jobs/);
    expect(() => requireAssetOffer(null, context(undefined))).not.toThrow();
  });

  test.each<[string, typeof asked, AssetContext, RegExp | null]>([
    ['that is asked for', asked, context({}), /leave out encryption or publishOutput$/],
    [
      'that is always made',
      null,
      context({ publish: 'always' }),
      /makes an asset of all outputs.*leave out encryption, or choose another environment$/,
    ],
    ['that is not asked for', null, context({}), null],
    ['that is always made, but of no free job', null, context({ publish: 'always' }, true), null],
  ])('cannot be one of encrypted results: %s', (_name, wish, where, text) => {
    const refuse = () => refuseEncryptedAsset(wish, where);
    if (text === null) expect(refuse).not.toThrow();
    else expect(refuse).toThrow(text);
  });
});
