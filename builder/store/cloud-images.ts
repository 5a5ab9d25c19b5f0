/**
 * Debian's own cloud images, pinned by digest, for `livelab build --base`.
 * "genericcloud" has only drivers for virtual machines and is the smallest of Debian's images.
 * Sources: cloud.debian.org/images/cloud, each folder's SHA512SUMS; the digests are those of issue 3.
 */
export interface PinnedCloudImage {
  /** Name for `--base`. */
  readonly name: string;
  readonly address: string;
  /** "sha256:…" or "sha512:…", hexadecimal. */
  readonly digest: string;
}

export const pinnedCloudImages: readonly PinnedCloudImage[] = [
  {
    name: "debian-10-cloud",
    address:
      "https://cloud.debian.org/images/cloud/buster/20220911-1135/debian-10-genericcloud-amd64-20220911-1135.qcow2",
    digest: "sha256:c9d304a4596af452afcb1d8d7e83c27a5e4b01bbca7769befb8e4943faa6ca27",
  },
  {
    name: "debian-12-cloud",
    address:
      "https://cloud.debian.org/images/cloud/bookworm/20260923-2610/debian-12-genericcloud-amd64-20260923-2610.qcow2",
    digest:
      "sha512:3d94c9dd66d8a283fde060b8810373b7ae04038b956ee00d553d1ae564f6fbdeaa2fd6e7404e87e53348b5a9509170f3ea7c0731ba737590c5c4cb8d559a47f8",
  },
];
