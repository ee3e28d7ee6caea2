/** Run as a program: makes the value of `C2D_SECCOMP_PROFILE` for an operator's own Podman. */

import { findDefaultProfile, writeHardenedProfile } from './seccompProfile.ts';

const [target, source = findDefaultProfile()] = process.argv.slice(2);
if (target === undefined) throw new Error('usage: hardenSeccomp.ts <new file> [<the profile of the engine>]');
if (source === undefined) throw new Error('Podman has no seccomp.json here: name the profile of the engine as the second argument');
await writeHardenedProfile(source, target);
console.log(`${target} is ${source}, hardened.`);
