package torch

// legacyMagic begins a file of torch.save before 1.6: the number
// 0x1950a86a20f9469cfc6c as a pickle of its own.
const legacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
