// Files as they are chosen or dropped, with those of folders.

// What file managers and disks leave beside films.
const LEFT_ASIDE = /^(\..*|thumbs\.db|desktop\.ini)$/i;

const END_OF_DIRECTORY = 0x06054b50;
const LONGEST_END = 22 + 0xffff; // with its comment

export function withoutLitter(files) {
  return [...files].filter((file) => !LEFT_ASIDE.test(file.name));
}

// Where a file lies in the folder that was chosen or dropped; its name where it is by itself.
export function pathOf(file) {
  return file.droppedFrom ?? (file.webkitRelativePath || file.name);
}

async function beginsWith(file, mark) {
  const bytes = new Uint8Array(await file.slice(0, mark.length).arrayBuffer());
  return bytes.length === mark.length && mark.every((byte, index) => bytes[index] === byte);
}

export async function isArchive(file) {
  return (await beginsWith(file, [0x50, 0x4b, 3, 4])) || beginsWith(file, [0x50, 0x4b, 5, 6]);
}

// How many files a ZIP archive says that it holds, 1 at least: the server opens it, and looks again.
export async function countMembers(archive) {
  const end = new DataView(await archive.slice(-LONGEST_END).arrayBuffer());
  for (let at = end.byteLength - 22; at >= 0; at -= 1) {
    if (end.getUint32(at, true) === END_OF_DIRECTORY) return Math.max(1, end.getUint16(at + 10, true));
  }
  return 1;
}

function fileOf(entry) {
  return new Promise((resolve, reject) =>
    entry.file((file) => {
      file.droppedFrom = entry.fullPath.slice(1);
      resolve(file);
    }, reject),
  );
}

// A folder gives its entries some at a time, until it gives none.
async function entriesOf(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found.sort((a, b) => a.name.localeCompare(b.name));
    found.push(...some);
  }
}

async function filesIn(entry) {
  if (entry.isFile) return [await fileOf(entry)];
  const found = [];
  for (const inner of await entriesOf(entry)) found.push(...(await filesIn(inner)));
  return found;
}

// All files of a drop. The entries are taken before anything is waited for: they are gone after.
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  for (const entry of entries) found.push(...(await filesIn(entry)));
  return withoutLitter(found);
}
