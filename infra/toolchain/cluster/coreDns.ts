/** CoreDNS, the name server of the cluster. */

import type { FoundPart, Report } from '../parts.ts';
import { runProgram } from '../run.ts';
import { downloadFromArchive, ensureGoProgram, findGoProgram, releaseArchitecture, type GoProgramRecipe } from './goPrograms.ts';

const coreDnsVersion = '1.11.3';

const coreDns: GoProgramRecipe = {
  entry: { name: 'coredns', version: coreDnsVersion },
  part: 'coredns',
  versionArguments: ['-version'],
  download: (folder) => {
    const archive = `coredns_${coreDnsVersion}_${process.platform}_${releaseArchitecture()}.tgz`;
    return downloadFromArchive(`https://github.com/coredns/coredns/releases/download/v${coreDnsVersion}/${archive}`, folder, 'coredns');
  },
  build: async (go, _folder, options) => {
    await runProgram(go, ['install', '-ldflags', '-s -w', `github.com/coredns/coredns@v${coreDnsVersion}`], options);
  },
  remedy: 'install CoreDNS on the PATH',
};

/** The CoreDNS that is here already: on the PATH, else in the cache folder. */
export const findCoreDns = (): Promise<FoundPart | undefined> => findGoProgram(coreDns);

/**
 * CoreDNS, fetched if need be.
 * @throws MissingPart if there is no way to get it
 */
export const ensureCoreDns = (report: Report = () => undefined): Promise<FoundPart> => ensureGoProgram(coreDns, report);
