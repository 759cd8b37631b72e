// Files as they are chosen or dropped, with those of folders.

// What file managers and disks leave beside films.
const LEFT_ASIDE = /^(\..*|thumbs\.db|desktop\.ini|dicomdir)$/i;

export function withoutLitter(files) {
  return [...files].filter((file) => !LEFT_ASIDE.test(file.name));
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
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
