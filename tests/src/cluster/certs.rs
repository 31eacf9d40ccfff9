//! The keys of one control plane: who it is, who its administrator is, and what signs its service accounts' tokens.

use std::{fs, net::IpAddr, path::Path};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Writes `ca.crt`, `server.*` for this address too, `admin.*`, `node.*` and `accounts.*` into the folder.
pub(super) fn write(folder: &Path, address: IpAddr) -> Result<()> {
    let authority = authority()?;
    fs::write(folder.join("ca.crt"), authority.pem())?;
    signed(folder, "server", &server(address)?, &authority)?;
    let admin = client("system:masters", "admin");
    signed(folder, "admin", &admin, &authority)?;
    let node = client("system:nodes", "system:node:node1");
    signed(folder, "node", &node, &authority)?;
    let accounts = KeyPair::generate()?;
    fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
    fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
    Ok(())
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.distinguished_name.push(DnType::CommonName, "test");
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn server(address: IpAddr) -> Result<CertificateParams> {
    let names = [
        "127.0.0.1",
        "localhost",
        "kubernetes.default.svc",
        "10.96.0.1",
    ];
    let mut names: Vec<String> = names.map(str::to_owned).into();
    names.push(address.to_string());
    let mut params = CertificateParams::new(names)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    Ok(params)
}

fn client(group: &str, user: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let name = &mut params.distinguished_name;
    name.push(DnType::OrganizationName, group);
    name.push(DnType::CommonName, user);
    params
}

fn signed(folder: &Path, name: &str, params: &CertificateParams, by: &Authority) -> Result<()> {
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, by)?;
    fs::write(folder.join(format!("{name}.crt")), certificate.pem())?;
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
    Ok(())
}
