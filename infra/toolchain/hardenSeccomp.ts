/** Run as a program: makes a stricter seccomp profile for an operator's own Podman, or for the nodes of a cluster. */

import { Command, Option } from 'commander';
import { findDefaultProfile, writeHardenedProfile, writeNodeProfile } from './seccompProfile.ts';

interface Options {
  readonly nodes?: 'x64' | 'arm64';
}

const program = new Command('hardenSeccomp.ts')
  .description("Writes the hardened form of an engine's seccomp.json.")
  .argument('<target>', "the new file: for Podman the value of C2D_SECCOMP_PROFILE, for nodes a file in their kubelets' folder seccomp")
  .argument('[source]', 'the profile of an engine; default: that of the Podman of this machine')
  .addOption(new Option('--nodes <architecture>', 'write it as kubelets take it, for nodes with such processors').choices(['x64', 'arm64']))
  .action(async (target: string, source: string | undefined, { nodes }: Options) => {
    const from = source ?? findDefaultProfile();
    if (from === undefined) return program.error('Podman has no seccomp.json here: name the profile of an engine as the second argument');
    await (nodes === undefined ? writeHardenedProfile(from, target) : writeNodeProfile(from, target, nodes));
    console.log(`${target} is ${from}, hardened.`);
  });

await program.parseAsync();
