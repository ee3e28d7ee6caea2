/** Helm, which renders and installs the chart. */

import type { FoundPart, Report } from '../parts.ts';
import { runProgram } from '../run.ts';
import { downloadFromArchive, ensureGoProgram, findGoProgram, releaseArchitecture, type GoProgramRecipe } from './goPrograms.ts';

const helmVersion = '3.22.0';
/** What `helm template` and `helm lint` take for the cluster's version; a build that is not told believes in 1.20. */
const kubernetesMinor = '34';

const linkerFlags = ['pkg/chartutil', 'pkg/lint/rules']
  .map((name) => `-X helm.sh/helm/v3/${name}.k8sVersionMinor=${kubernetesMinor}`)
  .join(' ');

const helm: GoProgramRecipe = {
  entry: { name: 'helm', version: `${helmVersion}-1.${kubernetesMinor}` },
  part: 'helm',
  versionArguments: ['version', '--short', '--template={{.Version}}'],
  download: (folder) => {
    const platform = `${process.platform}-${releaseArchitecture()}`;
    return downloadFromArchive(`https://get.helm.sh/helm-v${helmVersion}-${platform}.tar.gz`, folder, `${platform}/helm`);
  },
  build: async (go, _folder, options) => {
    await runProgram(go, ['install', '-ldflags', `-s -w ${linkerFlags}`, `helm.sh/helm/v3/cmd/helm@v${helmVersion}`], options);
  },
  remedy: 'install Helm 3 on the PATH',
};

/** The Helm that is here already: on the PATH, else in the cache folder. */
export const findHelm = (): Promise<FoundPart | undefined> => findGoProgram(helm);

/**
 * Helm 3, fetched if need be.
 * @throws MissingPart if there is no way to get it
 */
export const ensureHelm = (report: Report = () => undefined): Promise<FoundPart> => ensureGoProgram(helm, report);
