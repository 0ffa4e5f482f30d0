"""Libraries and symbols that the operating system or the interpreter has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

    from native_lib.check.binary import Binary

# PEP 600's lists, as auditwheel 6.8's policies have them: the union over all manylinux versions.
_GLIBC = {
    *("libanl.so.1", "libatomic.so.1", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6"),
    *("libmvec.so.1", "libnsl.so.1", "libpthread.so.0", "libresolv.so.2", "librt.so.1"),
    *("libstdc++.so.6", "libutil.so.1", "libexpat.so.1", "libz.so.1"),
    *("libGL.so.1", "libICE.so.6", "libSM.so.6", "libX11.so.6", "libXext.so.6", "libXrender.so.1"),
    *("libglib-2.0.so.0", "libgobject-2.0.so.0", "libgthread-2.0.so.0"),
}
# PEP 656; a wheel that is not published may use the compiler's libraries.
_MUSL = {"libc.so", "libz.so.1"}
_MUSL_COMPILER = {"libstdc++.so.6", "libgcc_s.so.1", "libatomic.so.1"}
# All symbols of these have versions, so a symbol without a version comes from another library.
_VERSIONED = _GLIBC & {
    *("libanl.so.1", "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libmvec.so.1"),
    *("libpthread.so.0", "libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libutil.so.1"),
}
_LINUX_LOADER = re.compile(r"ld-linux[-\w]*\.so\.\d+|ld64\.so\.\d+|ld-musl-\w+\.so\.1")
_LIBPYTHON = re.compile(r"libpython3[\w.]*\.(?:so|dylib)[\d.]*")

_APPLE = ("/usr/lib/", "/System/")
_APPLE_PYTHON = re.compile(r"(?:^|/)Python\.framework/Versions/[^/]+/Python$")

# Windows 10 and later, and CPython's own folder (the C run-time without C++).
_WINDOWS = {
    f"{name}.dll"
    for name in [
        *("activeds", "adsldpc", "advapi32", "authz", "avicap32", "avifil32", "avrt", "bcrypt"),
        *("bcryptprimitives", "bluetoothapis", "cabinet", "cfgmgr32", "cldapi", "clusapi"),
        *("combase", "comctl32", "comdlg32", "credui", "crypt32", "cryptbase", "cryptnet"),
        *("cryptui", "cryptxml", "cscapi", "d2d1", "d3d10", "d3d10_1", "d3d11", "d3d12", "d3d9"),
        *("d3dcompiler_47", "dbgeng", "dbghelp", "dcomp", "ddraw", "dfscli", "dhcpcsvc"),
        *("dhcpcsvc6", "dinput", "dinput8", "dnsapi", "dsound", "dsrole", "dwmapi", "dwrite"),
        *("dxcore", "dxgi", "dxva2", "eappcfg", "elscore", "esent", "evr", "faultrep", "fltlib"),
        *("fontsub", "fwpuclnt", "gdi32", "gdiplus", "glu32", "hid", "hlink", "httpapi", "icmp"),
        *("icu", "imagehlp", "imm32", "iphlpapi", "kernel32", "kernelbase", "ksuser", "ktmw32"),
        *("logoncli", "mf", "mfcore", "mfplat", "mfplay", "mfreadwrite", "mi", "mlang", "mmdevapi"),
        *("mpr", "mprapi", "msacm32", "mscms", "mscoree", "msctf", "msdelta", "msdmo", "msdrm"),
        *("msftedit", "mshtml", "msi", "msimg32", "msvcrt", "msvfw32", "mswsock", "ncrypt"),
        *("ndfapi", "netapi32", "netutils", "newdev", "ninput", "normaliz", "ntdll", "ntdsapi"),
        *("odbc32", "odbccp32", "ole32", "oleacc", "oleaut32", "oledlg", "opengl32", "pathcch"),
        *("pdh", "powrprof", "prntvpt", "profapi", "propsys", "psapi", "quartz", "rasapi32"),
        *("rasdlg", "resutils", "riched20", "rpcrt4", "rstrtmgr", "rtutils", "samcli", "samlib"),
        *("sas", "schannel", "secur32", "security", "sensapi", "setupapi", "sfc", "shcore"),
        *("shdocvw", "shell32", "shfolder", "shlwapi", "slc", "snmpapi", "srvcli", "sspicli"),
        *("sti", "sxs", "synchronization", "t2embed", "tapi32", "tbs", "tdh", "traffic"),
        *("ucrtbase", "uiautomationcore", "url", "urlmon", "user32", "userenv", "usp10", "uxtheme"),
        *("vcruntime140", "vcruntime140_1", "version", "virtdisk", "vssapi", "webservices"),
        *("wecapi", "wer", "wevtapi", "windowscodecs", "winhttp", "wininet", "winmm", "winmmbase"),
        *("winscard", "winspool", "winsta", "wintrust", "winusb", "wkscli", "wlanapi", "wldap32"),
        *("ws2_32", "wscapi", "wsdapi", "wsock32", "wtsapi32", "xaudio2_9", "xinput1_4"),
        *("xinput9_1_0", "xmllite"),
    ]
} | {"winspool.drv", "bthprops.cpl"}
_WINDOWS_FAMILIES = re.compile(
    r"(?:api|ext)-ms-.*\.dll|python3\w*\.dll|libpypy3[\w.-]*\.dll", re.IGNORECASE
)

# Libraries that a system or an interpreter brings under these names, though not every one.
_TAKEN = {
    "ELF": _GLIBC
    | _MUSL
    | {
        *("libbz2.so.1", "libbz2.so.1.0", "libcrypto.so.3", "libcrypto.so.1.1", "libssl.so.3"),
        *("libssl.so.1.1", "libffi.so.7", "libffi.so.8", "liblzma.so.5", "libzstd.so.1"),
        *("libsqlite3.so.0", "libuuid.so.1", "libncursesw.so.6", "libreadline.so.8"),
        *("libxml2.so.2", "libpng16.so.16", "libjpeg.so.8", "libjpeg.so.62", "libgomp.so.1"),
    },
    "Mach-O": {
        *("libz.1.dylib", "libbz2.1.0.dylib", "liblzma.5.dylib", "libsqlite3.dylib"),
        *("libxml2.2.dylib", "libxslt.1.dylib", "libiconv.2.dylib", "libcharset.1.dylib"),
        *("libexpat.1.dylib", "libffi.dylib", "libcurl.4.dylib", "libncurses.5.4.dylib"),
        *("libedit.3.dylib", "libSystem.B.dylib", "libc++.1.dylib", "libc++abi.dylib"),
        *("libobjc.A.dylib", "libcrypto.3.dylib", "libssl.3.dylib", "libzstd.1.dylib"),
    },
    # CPython's DLLs folder has its own copies of the second group.
    "PE": _WINDOWS
    | {
        *("zlib1.dll", "libcrypto-3.dll", "libssl-3.dll", "libcrypto-3-x64.dll", "libffi-7.dll"),
        *("libssl-3-x64.dll", "libffi-8.dll", "sqlite3.dll", "tcl86t.dll", "tk86t.dll"),
        *("msvcp140.dll", "vcomp140.dll", "zlib.dll", "libexpat.dll", "liblzma.dll"),
    },
}

# Debian's python3 needs libz and libexpat, so they are in the global scope, before any other library.
# Their public names: of zlib 1.3.2, …
_ZLIB = """
    adler32 adler32_combine adler32_combine64 adler32_z compress compress2 compress2_z compressBound
    compressBound_z compress_z crc32 crc32_combine crc32_combine64 crc32_combine_gen
    crc32_combine_gen64 crc32_combine_op crc32_z deflate deflateBound deflateBound_z deflateCopy
    deflateEnd deflateGetDictionary deflateInit2_ deflateInit_ deflateParams deflatePending
    deflatePrime deflateReset deflateResetKeep deflateSetDictionary deflateSetHeader deflateTune
    deflateUsed get_crc_table gzbuffer gzclearerr gzclose gzclose_r gzclose_w gzdirect gzdopen gzeof
    gzerror gzflush gzfread gzfwrite gzgetc gzgetc_ gzgets gzoffset gzoffset64 gzopen gzopen64
    gzprintf gzputc gzputs gzread gzrewind gzseek gzseek64 gzsetparams gztell gztell64 gzungetc
    gzvprintf gzwrite inflate inflateBack inflateBackEnd inflateBackInit_ inflateCodesUsed inflateCopy
    inflateEnd inflateGetDictionary inflateGetHeader inflateInit2_ inflateInit_ inflateMark
    inflatePrime inflateReset inflateReset2 inflateResetKeep inflateSetDictionary inflateSync
    inflateSyncPoint inflateUndermine inflateValidate uncompress uncompress2 uncompress2_z
    uncompress_z zError zlibCompileFlags zlibVersion
"""
# … and of expat 2.7.3, after XML_ and XML_Set.
_EXPAT = """
    DefaultCurrent ErrorString ExpatVersion ExpatVersionInfo ExternalEntityParserCreate
    FreeContentModel GetBase GetBuffer GetCurrentByteCount GetCurrentByteIndex GetCurrentColumnNumber
    GetCurrentLineNumber GetErrorCode GetFeatureList GetIdAttributeIndex GetInputContext
    GetParsingStatus GetSpecifiedAttributeCount MemFree MemMalloc MemRealloc Parse ParseBuffer
    ParserCreate ParserCreateNS ParserCreate_MM ParserFree ParserReset ResumeParser StopParser
    UseForeignDTD UseParserAsHandlerArg
"""
_EXPAT_SET = """
    AllocTrackerActivationThreshold AllocTrackerMaximumAmplification AttlistDeclHandler Base
    BillionLaughsAttackProtectionActivationThreshold BillionLaughsAttackProtectionMaximumAmplification
    CdataSectionHandler CharacterDataHandler CommentHandler DefaultHandler DefaultHandlerExpand
    DoctypeDeclHandler ElementDeclHandler ElementHandler Encoding EndCdataSectionHandler
    EndDoctypeDeclHandler EndElementHandler EndNamespaceDeclHandler EntityDeclHandler
    ExternalEntityRefHandler ExternalEntityRefHandlerArg HashSalt NamespaceDeclHandler
    NotStandaloneHandler NotationDeclHandler ParamEntityParsing ProcessingInstructionHandler
    ReparseDeferralEnabled ReturnNSTriplet SkippedEntityHandler StartCdataSectionHandler
    StartDoctypeDeclHandler StartElementHandler StartNamespaceDeclHandler UnknownEncodingHandler
    UnparsedEntityDeclHandler UserData XmlDeclHandler
"""
INTERPRETERS_SYMBOLS = {
    *_ZLIB.split(),
    *(f"XML_{name}" for name in _EXPAT.split()),
    *(f"XML_Set{name}" for name in _EXPAT_SET.split()),
}


def is_system_library(needed: str, binary: Binary, tags: Iterable[Tag] = ()) -> bool:
    """Tell whether the operating system or the interpreter provides a library.

    Args:
        needed: the name.
        binary: what needs it.
        tags: its wheel's; a wheel that may be published is judged more strictly.
    """
    if binary.format == "PE":
        return needed.lower() in _WINDOWS or bool(_WINDOWS_FAMILIES.fullmatch(needed))
    if binary.format == "Mach-O":
        leaf = needed.rpartition("/")[2]
        return needed.startswith(_APPLE) or bool(
            _LIBPYTHON.fullmatch(leaf) or _APPLE_PYTHON.search(needed)
        )
    if _LINUX_LOADER.fullmatch(needed) or _LIBPYTHON.fullmatch(needed):
        return True
    if binary.libc != "musl":
        return needed in _GLIBC
    published = any(tag.platform.startswith("musllinux") for tag in tags)
    return (
        needed in _MUSL
        or needed.startswith("libc.musl-")
        or (not published and needed in _MUSL_COMPILER)
    )


def has_versions_throughout(needed: str) -> bool:
    """Tell whether a symbol without a version cannot come from this library."""
    return needed in _VERSIONED or bool(_LINUX_LOADER.fullmatch(needed))


def may_have(needed: str, symbol: str) -> bool:
    """Tell whether a symbol without a version can come from this library of a system with glibc."""
    if needed == "libz.so.1":
        return symbol in INTERPRETERS_SYMBOLS  # newer symbols have versions
    if needed == "libexpat.so.1":
        return symbol.startswith("XML_")
    return not has_versions_throughout(needed)


def is_taken(leaf: str, format: str) -> bool:
    """Tell whether a system or an interpreter has a library of this name."""
    return (leaf.lower() if format == "PE" else leaf) in _TAKEN[format]
